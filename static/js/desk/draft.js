/** What was begun on an event and not saved, kept for as long as the tab is. */

const keyOf = (event) => `desk-draft ${event}`;

export class Draft {
  constructor(event, version) {
    this.event = event;
    this.version = Number(version);
  }

  /** Forget what was begun on another event, once the server has said that it is saved. */
  static forget(event) {
    try {
      sessionStorage.removeItem(keyOf(event));
    } catch { /* no storage: nothing was kept */ }
  }

  /** { correction, joined, note, reason, isOlder } or null; `isOlder`: begun before others judged the event. */
  read() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(keyOf(this.event)));
      return kept && typeof kept === "object" ? { ...kept, isOlder: kept.version !== this.version } : null;
    } catch {
      return null;
    }
  }

  /** Keep it; `told` null forgets it. */
  write(told) {
    if (told === null) {
      Draft.forget(this.event);
      return;
    }
    try {
      sessionStorage.setItem(keyOf(this.event), JSON.stringify({ ...told, version: this.version }));
    } catch { /* the storage is full or off: a reload then loses it, a save does not */ }
  }
}
