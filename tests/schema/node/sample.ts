// What the types must allow, and what they must refuse.
import type {
  CallAnalytics,
  CallParticipant,
  CallParticipantWithUser,
  CallSession,
  CallSessionWithParticipants,
  CallTranscriptionWithParticipant,
  InPrisma,
} from './calls.js';
import { CallParticipantSchema, CallSessionSchema } from './validators.js';

export function longest(call: CallSessionWithParticipants): string | undefined {
  const seconds = (row: CallParticipant) =>
    row.stints.length ? Date.parse(row.stints[0]!.joinedAt) : 0;
  return call.participants.sort((a, b) => seconds(a) - seconds(b))[0]?.id;
}

export const year = (call: CallSession<InPrisma>): number => call.createdAt.getFullYear();
export const left = (row: CallParticipant<InPrisma>): Date | null => row.stints[0]!.leftAt;
export const sent = (row: CallAnalytics<InPrisma>): bigint => row.totalDataSent + 1n;
export const sum = (row: CallAnalytics): number => row.totalDataSent + 1;

type Host = { id: string; username: string };
export const name = (row: CallParticipantWithUser<InPrisma, Host>): string =>
  row.user?.username ?? row.anonymousUser?.id ?? 'nobody';
export const speaker = (row: CallTranscriptionWithParticipant<InPrisma, Host>): string =>
  `${row.participant.user?.username}: ${row.text} ${row.translations?.['fr']}`;

export const stored: { status: CallSession['status'] } = CallSessionSchema.parse({});
export const party: string | null | undefined = CallParticipantSchema.parse({}).userId;

// @ts-expect-error: no such status
export const paused: CallSession['status'] = 'paused';
// @ts-expect-error: text has no year
export const asText = (call: CallSession): number => call.createdAt.getFullYear();
// @ts-expect-error: it may be null
export const always = (call: CallSession): string => call.endedAt;
// @ts-expect-error: no such field
export const missing = (call: CallSession) => call.finishedAt;
