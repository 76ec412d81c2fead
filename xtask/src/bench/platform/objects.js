// The objects of another process. On the platform the Worker and a room share neither isolate nor machine.
class DurableObjectNamespace {
  #service;
  #kind;

  constructor({ service, kind }) {
    this.#service = service;
    this.#kind = kind;
  }

  idFromName(name) {
    return { name };
  }

  // Of objects without a name; here their id is their name.
  newUniqueId() {
    return this.idFromString(crypto.randomUUID().replaceAll("-", "").repeat(2));
  }

  idFromString(text) {
    return { name: text, toString: () => text };
  }

  get({ name }) {
    const object = `${this.#kind} ${encodeURIComponent(name)}`;
    return {
      fetch: (request) => {
        const forwarded = new Request(request);
        forwarded.headers.set("x-object", object);
        return this.#service.fetch(forwarded);
      },
    };
  }

  getByName(name) {
    return this.get({ name });
  }
}

export default (env) => new DurableObjectNamespace(env);
