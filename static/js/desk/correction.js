/**
 * What a reviewer would have instead of an event: links drawn and cut, pores that are none, events that are one.
 *
 * Knows nothing of the page. Every change is one step; `undo()` takes the last one back.
 */

import { poreName } from "./pores.js";

const same = (a, b) => a[0] === b[0] && a[1] === b[1];
const without = (pairs, pair) => pairs.filter((other) => !same(other, pair));
const has = (pairs, pair) => pairs.some((other) => same(other, pair));

const EMPTY = { add: [], remove: [], spurious: [], joined: [] };
const isPair = (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isInteger);

/** What was kept or sent, made whole; what makes no sense in it is left out. */
export function readState(correction, joined) {
  const lists = correction && typeof correction === "object" ? correction : {};
  const of = (value, sound) => (Array.isArray(value) ? value.filter(sound) : []);
  return {
    add: of(lists.add, isPair),
    remove: of(lists.remove, isPair),
    spurious: of(lists.spurious, Number.isInteger),
    joined: of(joined, Number.isInteger),
  };
}

export class Correction {
  /** `pores` and the page's data; `onChange()` after every change. */
  constructor(pores, data, onChange) {
    Object.assign(this, { pores, data, onChange });
    this.state = structuredClone(EMPTY);
    this.past = [];
  }

  get isEmpty() {
    return Object.values(this.state).every((list) => !list.length);
  }

  set(state) {
    this.past = [];
    this.state = structuredClone(state);
    this.onChange();
  }

  change(next) {
    this.past.push(this.state);
    this.state = { ...this.state, ...next };
    this.onChange();
  }

  /** Take the last change back; returns whether there was one. */
  undo() {
    const before = this.past.pop();
    if (!before) return false;
    this.state = before;
    this.onChange();
    return true;
  }

  clear() {
    this.change(structuredClone(EMPTY));
  }

  /** The two in the order of time, or a sentence why they cannot be linked. */
  ordered(one, other) {
    if (one.id === other.id) return { problem: "A pore cannot be linked with itself." };
    if (one.index === other.index) return { problem: "Both pores are in one frame; a link goes from a frame to a later one." };
    const [earlier, later] = one.index < other.index ? [one, other] : [other, one];
    return { earlier, later, pair: [earlier.id, later.id] };
  }

  /** Whether there is a link now: the machine's, as far as it was not cut, or one that was drawn. */
  isLinked(pair) {
    const { add, remove } = this.state;
    return has(add, pair) || (this.pores.isLinked(...pair) && !has(remove, pair));
  }

  /** Draw a link, or cut it where there is one; says what was done. */
  toggle(one, other) {
    const { pair, problem } = this.ordered(one, other);
    if (problem) return problem;
    return this.isLinked(pair) ? this.cut(one, other) : this.draw(one, other);
  }

  draw(one, other) {
    const { earlier, later, pair, problem } = this.ordered(one, other);
    if (problem) return problem;
    if (this.isLinked(pair)) return `${this.wordsOf(pair)} is there already.`;
    const { add, remove, spurious } = this.state;
    this.change({
      add: this.pores.isLinked(...pair) ? add : [...add, pair],
      remove: without(remove, pair),
      spurious: spurious.filter((id) => id !== earlier.id && id !== later.id),
    });
    const skipped = later.index - earlier.index - 1;
    return `Drawn: ${this.wordsOf(pair)}${skipped ? `, over ${skipped} frame${skipped > 1 ? "s" : ""}` : ""}.`;
  }

  cut(one, other) {
    const { pair, problem } = this.ordered(one, other);
    if (problem) return problem;
    if (!this.isLinked(pair)) return `There is no link ${this.wordsOf(pair)}.`;
    const { add, remove } = this.state;
    this.change({ add: without(add, pair), remove: this.pores.isLinked(...pair) ? [...without(remove, pair), pair] : remove });
    return `Cut: ${this.wordsOf(pair)}.`;
  }

  toggleSpurious(pore) {
    const { add, spurious } = this.state;
    if (spurious.includes(pore.id)) {
      this.change({ spurious: spurious.filter((id) => id !== pore.id) });
      return `${poreName(pore)} is a pore again.`;
    }
    this.change({ spurious: [...spurious, pore.id], add: add.filter((pair) => !pair.includes(pore.id)) });
    return `No pore: ${poreName(pore)}.`;
  }

  join(events) {
    this.change({ joined: events });
    return events.length ? `Joined with ${events.map((pk) => this.data.nearby[pk] ?? `event ${pk}`).join("; ")}.` : "Joined with no other event.";
  }

  /** Whether alternative `n` (from 0) is taken. */
  hasChoice(n) {
    const choice = this.data.choices[n];
    return Boolean(choice) && has(this.state.add, choice.add);
  }

  /** Take alternative `n` in the place of the link that it competes with, or leave it again; says what was done. */
  choose(n) {
    const choice = this.data.choices[n];
    if (!choice) return `There is no alternative ${n + 1}.`;
    const { add, remove, spurious } = this.state;
    if (this.hasChoice(n)) {
      const others = without(add, choice.add);
      const isShared = this.data.choices.some((other) => other.remove && choice.remove && same(other.remove, choice.remove) && has(others, other.add));
      this.change({ add: others, remove: choice.remove && !isShared ? without(remove, choice.remove) : remove });
      return `Alternative ${n + 1} is left again.`;
    }
    const cut = choice.remove && !has(remove, choice.remove) ? [...remove, choice.remove] : remove;
    this.change({ add: [...add, choice.add], remove: cut, spurious: spurious.filter((id) => !choice.add.includes(id)) });
    return `Alternative ${n + 1}: ${this.wordsOf(choice.add)}${choice.remove ? ` instead of ${this.wordsOf(choice.remove)}` : ""}.`;
  }

  /**
   * Part the event in two: its dearest link goes, and the best alternative of the pore that this
   * leaves alone comes in its place.
   *
   * Returns { words, alone }; `alone` is the pore that still wants a link, or null.
   */
  part() {
    const links = this.data.event_links;
    const pair = links.findLast((link) => this.isLinked(link)); // they come cheapest first
    if (!pair || links.length < 3) return { words: "Only an event with three links or more can be parted.", alone: null };
    const aloneId = this.data.event.kind === "split" ? pair[1] : pair[0];
    const instead = this.data.choices.find((choice) => choice.add.includes(aloneId));
    const { add, remove } = this.state;
    this.change({ remove: [...remove, pair], add: instead && !has(add, instead.add) ? [...add, instead.add] : add });
    const cut = `Parted in two: ${this.wordsOf(pair)} is cut`;
    if (instead) return { words: `${cut}, ${this.wordsOf(instead.add)} comes in its place.`, alone: null };
    return { words: `${cut}.`, alone: this.pores.get(aloneId) ?? null };
  }

  /** "track 5 in frame 8 → track 7 in frame 9". */
  wordsOf([earlier, later]) {
    return [earlier, later].map((id) => (this.pores.get(id) ? poreName(this.pores.get(id)) : `pore ${id}, not shown`)).join(" → ");
  }

  /** Each change as { sign, words, drop() }. */
  rows() {
    const { add, remove, spurious, joined } = this.state;
    const dropping = (name, list) => () => this.change({ [name]: list });
    return [
      ...add.map((pair) => ({ sign: "+", words: `link ${this.wordsOf(pair)}`, drop: dropping("add", without(add, pair)) })),
      ...remove.map((pair) => ({ sign: "−", words: `link ${this.wordsOf(pair)}`, drop: dropping("remove", without(remove, pair)) })),
      ...spurious.map((id) => ({
        sign: "×", words: `${this.pores.get(id) ? poreName(this.pores.get(id)) : `pore ${id}, not shown`} is no pore`,
        drop: dropping("spurious", spurious.filter((other) => other !== id)),
      })),
      ...joined.map((pk) => ({
        sign: "∪", words: `one with ${this.data.nearby[pk] ?? `event ${pk}`}`,
        drop: dropping("joined", joined.filter((other) => other !== pk)),
      })),
    ];
  }
}
