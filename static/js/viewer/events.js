/** Kinds and states of events in words and marks; colour never stands alone. */

export const KIND_MARKS = { merge: "\u25bc", split: "\u25b2", gap: "\u25c7", appear: "\u25cf", disappear: "\u25cb" };
const OTHER_KIND = "\u25a0";

const STATES = {
  pending: { words: "pending", mark: "" },
  accepted: { words: "accepted", mark: "\u2713" },
  rejected: { words: "rejected", mark: "\u2715" },
  corrected: { words: "corrected", mark: "\u270e" },
  unsure: { words: "unsure", mark: "?" },
  disputed: { words: "disputed", mark: "!" },
};

/** { key, words, mark } of an event's state. */
export const stateOf = ({ state }) => ({ key: state, ...(STATES[state] ?? { words: state, mark: "" }) });

/** The shape that stands for an event's kind. */
export const kindMark = ({ kind }) => KIND_MARKS[kind] ?? OTHER_KIND;

/** Words for an event: "merge 7, pending". */
export const eventWords = (event) => `${event.kind} ${event.id}, ${stateOf(event).words}`;
