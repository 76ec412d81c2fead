// A rate limit as the platform has it: fixed windows of the clock, a count a key.
class Ratelimit {
  #counts = new Map();
  #window = 0;

  constructor({ limit, period }) {
    Object.assign(this, { most: limit, ms: period * 1000 });
  }

  async limit({ key }) {
    const window = Math.floor(Date.now() / this.ms);
    if (window !== this.#window) {
      this.#window = window;
      this.#counts.clear();
    }
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return { success: count <= this.most };
  }
}

export default (env) => new Ratelimit(env);
