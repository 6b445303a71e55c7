/** Play and pause: one step after another, none before its picture is there. */

export class Player {
  /** `step()` goes one frame on and returns false at the end; `isReady()` says whether the next is there. */
  constructor({ step, isReady, onChange }) {
    Object.assign(this, { step, isReady, onChange });
    this.perSecond = 5;
    this.playing = false;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    this.playing = true;
    this.due = performance.now();
    this.onChange();
    this.request = requestAnimationFrame((now) => this.tick(now));
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.request);
    this.onChange();
  }

  tick(now) {
    if (!this.playing) return;
    if (now >= this.due && this.isReady()) {
      const period = 1000 / this.perSecond;
      this.due = Math.max(this.due + period, now); // late frames are not made up for
      if (!this.step()) {
        this.pause();
        return;
      }
    }
    this.request = requestAnimationFrame((later) => this.tick(later));
  }
}
