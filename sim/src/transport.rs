//! How frames and closes travel between clients and objects: slow, cut, or half-open.
//! Not here: HTTP requests (`requests`), what either end does with what it receives (`client_checks`, `objects`).

use crate::world::World;
use crate::world::checker::Checker;
use crate::world::hosts::{Host, HostedObject};
use crate::world::network::{LATENCY_MS, SimSocket, Wire};
use std::rc::Rc;

/// Whose socket it is.
enum Client {
    Tab(usize),
    Device(usize),
}

impl World {
    /// Sends something to the client's end of a socket.
    pub fn deliver(self: &Rc<Self>, socket: &Rc<SimSocket>, wire: Wire) {
        socket.queue.borrow_mut().push_back(wire);
        let (world, socket) = (self.clone(), socket.clone());
        self.clock.spawn(async move {
            world.clock.sleep(LATENCY_MS).await;
            socket.arrived.set(socket.arrived.get() + 1);
            world.read_socket(&socket);
        });
    }

    /// Hands over what has reached the client, if the client reads.
    pub fn read_socket(self: &Rc<Self>, socket: &Rc<SimSocket>) {
        loop {
            let client = self.client_of(socket).filter(|_| socket.is_received());
            let Some(client) = client.filter(|_| socket.arrived.get() > 0) else { return };
            socket.arrived.set(socket.arrived.get() - 1);
            let wire = socket.queue.borrow_mut().pop_front();
            match (wire, client) {
                (Some(Wire::Frame(text)), Client::Tab(tab)) => self.receive_frame(tab, &text),
                (Some(Wire::Frame(text)), Client::Device(device)) => self.receive_inbox_frame(device, &text),
                (Some(Wire::Close(code)), client) => {
                    self.close_server_end(socket);
                    match client {
                        Client::Tab(tab) => self.handle_close(tab, code),
                        Client::Device(device) => self.handle_inbox_close(device, code),
                    }
                }
                (None, _) => return,
            }
        }
    }

    fn client_of(&self, socket: &Rc<SimSocket>) -> Option<Client> {
        let tab = self.clients.of_socket(socket).map(Client::Tab);
        tab.or_else(|| self.devices.of_socket(socket).map(Client::Device))
    }

    /// Checks a send of the room against what may wait for a socket, and against what one turn may queue over all
    /// sockets. One frame alone may be larger than either.
    pub fn check_send_buffer(&self, host: &Host, socket: &SimSocket, bytes: usize) {
        let waiting = socket.waiting_bytes();
        socket.turn_bytes.set(socket.turn_bytes.get() + bytes as u32);
        if waiting > 0 && waiting + bytes as u32 > self.limits.waiting_bytes {
            let what = format!("{bytes} bytes more to a socket with {waiting} waiting");
            self.recorder.violation(Checker::Bounds, what);
        }
        let queued = host.turn_bytes.replace(host.turn_bytes.get() + bytes as u32);
        if queued > 0 && queued + bytes as u32 > self.limits.turn_bytes {
            let what = format!("{}: {bytes} bytes more in a turn that has queued {queued}", host.name);
            self.recorder.violation(Checker::Bounds, what);
        }
    }

    /// Sends a client's frame to the room.
    pub fn send_frame(self: &Rc<Self>, socket: &Rc<SimSocket>, text: String) {
        let (world, socket) = (self.clone(), socket.clone());
        self.clock.spawn(async move {
            world.clock.sleep(LATENCY_MS).await;
            if socket.closing.get() || socket.cut_at.get().is_some() {
                return;
            }
            let Some(host) = world.hosts.of_socket(&socket) else { return };
            let id = socket.id;
            world.call_object(&host, |object: Rc<dyn HostedObject>| object.receive_frame(id, text));
        });
    }

    /// Closes the client's end; the room learns of it a little later, and until then its sends fail.
    pub fn close_socket(self: &Rc<Self>, socket: &Rc<SimSocket>) {
        socket.close(self.clock.now());
        self.close_server_end(socket);
    }

    fn close_server_end(self: &Rc<Self>, socket: &Rc<SimSocket>) {
        let (world, socket) = (self.clone(), socket.clone());
        // Sometimes late: meanwhile the object has a socket that accepts nothing.
        let is_of_inbox = self.hosts.of_socket(&socket).is_some_and(|host| host.is_inbox());
        let random = if is_of_inbox { self.devices.random() } else { self.clock.random() };
        let late_ms = random % 4 / 3 * 2_000;
        self.clock.spawn(async move {
            world.clock.sleep(LATENCY_MS + late_ms).await;
            let Some(host) = world.hosts.of_socket(&socket) else { return };
            host.sockets.borrow_mut().retain(|known| !Rc::ptr_eq(known, &socket));
            world.call_object(&host, |object: Rc<dyn HostedObject>| object.handle_close(socket));
        });
    }

    /// The client begins or ceases to read.
    pub fn set_reading(self: &Rc<Self>, socket: &Rc<SimSocket>, reads: bool) {
        if !socket.reading.replace(reads) && reads {
            socket.reading_since.set(self.clock.now());
        }
        socket.was_slow.set(socket.was_slow.get() || !reads);
        self.read_socket(socket);
    }
}
