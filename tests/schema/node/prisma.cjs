// Has Prisma's own parser read the schema on stdin; what it finds wrong is told on stderr, exit 1.
const { readFileSync } = require('node:fs');
const { validate } = require('@prisma/prisma-schema-wasm');

try {
  const schema = readFileSync(0, 'utf8');
  validate(JSON.stringify({ prismaSchema: [['schema.prisma', schema]], noColor: true }));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
