// The module that Cloudflare loads: it passes the Worker's events to the WebAssembly and exports the Durable Objects.
// `cargo xtask build` bundles it with wasm-bindgen's `index.js`. Not here: anything that a request is answered by.
import { WorkerEntrypoint } from "cloudflare:workers";
import { __worker_init_state, ChatRoom as Room, Inbox as PersonInbox, TenantOutbox as Outbox, WsTicket as Ticket, fetch, queue } from "./index.js";

Error.stackTraceLimit = 100;

// The `worker` crate counts `instanceId` up whenever an abort has made it instantiate the WebAssembly again.
const wasm = __worker_init_state();

// Gives a class whose objects survive that. An object made by an earlier instance points into memory that is gone,
// so its next use constructs it again with the same arguments.
function surviveReset(Class) {
  const construct = (_, args, newTarget) => {
    const make = () => Reflect.construct(Class, args, newTarget);
    let object = make();
    let madeBy = wasm.instanceId;
    const current = () => {
      if (madeBy !== wasm.instanceId) {
        object = make();
        madeBy = wasm.instanceId;
      }
      return object;
    };
    const traps = {};
    for (const name of Object.getOwnPropertyNames(Reflect)) {
      traps[name] = (_, ...rest) => Reflect[name](current(), ...rest);
    }
    // Every event takes this one, so it spares the lists of arguments.
    traps.get = (_, property, receiver) => Reflect.get(current(), property, receiver);
    return new Proxy({}, traps);
  };
  return new Proxy(Class, { construct });
}

// Drops the frames of a socket that the object has closed: a client that never answers the close sends on, and each of
// its frames would cost the WebAssembly as much as one that is read (docs/PLATFORM.md, 3. WebSockets).
function ignoreClosed(Class) {
  return class extends Class {
    webSocketMessage(socket, message) {
      return socket.readyState === WebSocket.OPEN ? super.webSocketMessage(socket, message) : undefined;
    }
  };
}

class Entrypoint extends WorkerEntrypoint {
  fetch(request) {
    return fetch.call(this, request, this.env, this.ctx);
  }

  queue(batch) {
    return queue.call(this, batch, this.env, this.ctx);
  }
}

// Made anew for each request, so it holds nothing of an earlier instance.
export default Entrypoint;
export const ChatRoom = surviveReset(ignoreClosed(Room));
export const Inbox = surviveReset(ignoreClosed(PersonInbox));
export const TenantOutbox = surviveReset(Outbox);
export const WsTicket = surviveReset(Ticket);
