// Reads cases of {schema, row, dates} as JSON lines, and tells for each the paths of what was refused.
// usage: node check.mjs COMPILED_ZOD_MODULE < CASES
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const schemas = await import(pathToFileURL(process.argv[2]));
const iso = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

const asPrismaGivesIt = (row, dates) => {
  for (const name of dates) {
    const value = row[name];
    if (typeof value === 'string' && iso.test(value)) row[name] = new Date(value);
    if (typeof value === 'number') row[name] = BigInt(value);
    if (Array.isArray(value)) value.forEach((each) => asPrismaGivesIt(each, Object.keys(each)));
  }
  return row;
};

for await (const line of createInterface({ input: process.stdin })) {
  const { schema, row, dates } = JSON.parse(line);
  const result = schemas[`${schema}Schema`].safeParse(asPrismaGivesIt(row, dates));
  const paths = result.success ? null : result.error.issues.map((issue) => issue.path.join('.'));
  console.log(JSON.stringify(paths));
}
