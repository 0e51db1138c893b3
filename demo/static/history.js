// What has been done, so that it can be undone. Nothing here touches the page.

const MOST = 200; // steps

/** States in the order in which they came; one of them is the present. */
export class Past {
  constructor(state) {
    this.states = [state];
    this.now = 0;
  }

  get state() {
    return this.states[this.now];
  }

  get canUndo() {
    return this.now > 0;
  }

  get canRedo() {
    return this.now < this.states.length - 1;
  }

  /** A new state; what had been undone is gone. */
  add(state) {
    this.states.splice(this.now + 1, Infinity, state);
    this.states = this.states.slice(-MOST);
    this.now = this.states.length - 1;
  }

  /** Says the present state better; it is no step of its own. */
  amend(state) {
    this.states[this.now] = state;
  }

  /** A step back, or forward; gives the state that is present then. */
  undo() {
    if (this.canUndo) this.now--;
    return this.state;
  }

  redo() {
    if (this.canRedo) this.now++;
    return this.state;
  }
}
