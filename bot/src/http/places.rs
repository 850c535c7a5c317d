//! Every open connection: where it comes from, whether it waits for its peer, and how many bytes its request holds. The number and the
//! bytes are bounded, in all and for each address. Where a bound is reached, the connection that has waited longest for its peer is
//! closed; a connection whose request is at work is not.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv6Net};
use metrics::counter;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::bounds::Bounds;

/// All connections of one listener.
#[derive(Debug)]
pub struct Places {
    bounds: Bounds,
    proxies: Vec<IpNet>,
    open: Mutex<Open>,
    /// Bytes were given back, or a connection ended.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    /// Orders what began when: it only counts.
    moment: u64,
    connections: BTreeMap<u64, Connection>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Connection {
    origin: Origin,
    kind: Kind,
    /// Since when the peer has to send something.
    awaits_bytes: Option<u64>,
    /// Since when the peer has to take something.
    stuck: Option<u64>,
    bytes: usize,
    closed: CancellationToken,
}

/// What shares a bound. A caller with one IPv6 address usually has 2^64 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Proxy(IpAddr),
    Address(IpNet),
}

/// What a connection may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Regular,
    /// Only to ask how the server is: all regular places are taken by requests at work.
    Spare,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    kind: Kind,
    closed: CancellationToken,
}

/// What became of a request for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// They are there.
    Granted,
    /// Connections that hold bytes are being closed: ask again when some are given back.
    Soon,
    /// All bytes are held by requests at work.
    Refused,
}

/// How often the log says that connections are refused or closed early.
const TELL_AGAIN: Duration = Duration::from_secs(60);

impl Places {
    /// No connection yet. Requests of many people come from each of `proxies`.
    pub fn new(bounds: Bounds, proxies: &[IpNet]) -> Arc<Self> {
        Arc::new(Self { bounds, proxies: proxies.to_vec(), open: Mutex::default(), freed: Notify::new() })
    }

    /// A place for a new connection of this peer; none where every place is taken by a request at work.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let origin = self.origin(peer);
        let mut open = self.lock();
        let kind = self.make_room(&mut open, origin)?;
        let (number, closed) = (open.next(), CancellationToken::new());
        let (awaits_bytes, closed_too) = (Some(number), closed.clone());
        open.connections.insert(number, Connection { origin, kind, awaits_bytes, stuck: None, bytes: 0, closed });
        Some(Place { places: Arc::clone(self), number, kind, closed: closed_too })
    }

    fn make_room(&self, open: &mut Open, origin: Origin) -> Option<Kind> {
        let regular = |connection: &Connection| connection.kind == Kind::Regular;
        let same = |connection: &Connection| regular(connection) && connection.origin == origin;
        let made = if open.count(same) >= self.connections_of(origin) {
            open.close_oldest("connections_of_address", same)
        } else if open.count(regular) >= self.bounds.at_once {
            open.close_oldest("connections", regular)
        } else {
            true
        };
        if made {
            return Some(Kind::Regular);
        }
        let spare = |connection: &Connection| connection.kind == Kind::Spare;
        if open.count(spare) < self.bounds.spare || open.close_oldest("spare_connections", spare) {
            return Some(Kind::Spare);
        }
        open.tell("refused");
        None
    }

    fn draw(&self, number: u64, bytes: usize) -> Drawn {
        let mut open = self.lock();
        let Some(origin) = open.connections.get(&number).map(|connection| connection.origin) else { return Drawn::Refused };
        let same = |connection: &Connection| connection.origin == origin;
        let others = |_: &Connection| true;
        let of_origin = open.room(number, bytes, self.bytes_of(origin), "bytes_of_address", &same);
        let drawn =
            if of_origin == Drawn::Granted { open.room(number, bytes, self.bounds.bytes, "bytes", &others) } else { of_origin };
        if drawn == Drawn::Granted
            && let Some(connection) = open.connections.get_mut(&number)
        {
            connection.bytes += bytes;
        }
        drawn
    }

    fn give_back(&self, number: u64, bytes: usize) {
        if let Some(connection) = self.lock().connections.get_mut(&number) {
            connection.bytes = connection.bytes.saturating_sub(bytes);
        }
        self.freed.notify_waiters();
    }

    fn origin(&self, peer: IpAddr) -> Origin {
        let peer = peer.to_canonical();
        if self.proxies.iter().any(|net| net.contains(&peer)) {
            return Origin::Proxy(peer);
        }
        Origin::Address(match peer {
            IpAddr::V4(_) => peer.into(),
            IpAddr::V6(six) => Ipv6Net::new(six, 64).map_or_else(|_| peer.into(), |net| net.trunc().into()),
        })
    }

    const fn connections_of(&self, origin: Origin) -> usize {
        match origin {
            Origin::Proxy(_) => self.bounds.of_proxy,
            Origin::Address(_) => self.bounds.of_address,
        }
    }

    const fn bytes_of(&self, origin: Origin) -> usize {
        match origin {
            Origin::Proxy(_) => self.bounds.bytes_of_proxy,
            Origin::Address(_) => self.bounds.bytes_of_address,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    const fn next(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn count(&self, which: impl Fn(&Connection) -> bool) -> usize {
        self.connections.values().filter(|connection| !connection.closed.is_cancelled() && which(connection)).count()
    }

    /// Whether so many bytes more fit in a bound that these connections share. Bytes of a closed connection count until it has ended.
    fn room(&mut self, number: u64, bytes: usize, bound: usize, why: &'static str, which: &dyn Fn(&Connection) -> bool) -> Drawn {
        let sharing = self.connections.values().filter(|connection| which(connection));
        let (held, leaving) = sharing.fold((0, 0), |(held, leaving), connection| {
            let closing = if connection.closed.is_cancelled() { connection.bytes } else { 0 };
            (held + connection.bytes, leaving + closing)
        });
        let needed = (held + bytes).saturating_sub(bound);
        if needed == 0 {
            return Drawn::Granted;
        }
        let own = |connection: &Connection| connection.bytes > 0 && which(connection);
        if leaving >= needed || self.close_oldest_but(Some(number), why, own) { Drawn::Soon } else { Drawn::Refused }
    }

    fn close_oldest(&mut self, why: &'static str, which: impl Fn(&Connection) -> bool) -> bool {
        self.close_oldest_but(None, why, which)
    }

    /// Closes the connection that has waited longest for its peer. False where none of them waits.
    fn close_oldest_but(&mut self, spared: Option<u64>, why: &'static str, which: impl Fn(&Connection) -> bool) -> bool {
        let waiting = self
            .connections
            .iter()
            .filter(|(number, connection)| Some(**number) != spared && !connection.closed.is_cancelled() && which(connection));
        let oldest =
            waiting.filter_map(|(_, connection)| Some((connection.waits()?, connection))).min_by_key(|(since, _)| *since);
        let Some((_, connection)) = oldest else { return false };
        connection.closed.cancel();
        counter!("entryguard_connections_shed_total", "reason" => why).increment(1);
        self.tell(why);
        true
    }

    fn tell(&mut self, why: &'static str) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            self.told = Some(Instant::now());
            tracing::warn!(reason = why, "connections are closed early or refused, because a bound of the listener is reached");
        }
    }
}

impl Connection {
    fn waits(&self) -> Option<u64> {
        [self.awaits_bytes, self.stuck].into_iter().flatten().min()
    }
}

impl Place {
    /// What the connection may be used for.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Resolves when the connection has to be closed at once.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Its request has arrived and is at work. False where the connection was closed before that: nothing may be begun.
    pub fn works(&self) -> bool {
        self.change(|connection, _| connection.awaits_bytes = None)
    }

    /// The peer has to send something. False where the connection was closed before that.
    pub fn awaits_bytes(&self) -> bool {
        self.change(|connection, now| connection.awaits_bytes = Some(now))
    }

    /// Whether the peer has to take something before anything more can be sent.
    pub fn is_stuck(&self, stuck: bool) {
        self.change(|connection, now| connection.stuck = stuck.then_some(now));
    }

    /// Lets its request hold so many bytes more.
    pub fn draw(&self, bytes: usize) -> Drawn {
        self.places.draw(self.number, bytes)
    }

    /// Resolves when bytes were given back after this was called.
    pub fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.places.freed.notified()
    }

    /// Gives bytes back.
    pub fn give_back(&self, bytes: usize) {
        self.places.give_back(self.number, bytes);
    }

    fn change(&self, change: impl FnOnce(&mut Connection, u64)) -> bool {
        let mut open = self.places.lock();
        let now = open.next();
        let connection = open.connections.get_mut(&self.number).filter(|connection| !connection.closed.is_cancelled());
        connection.map(|connection| change(connection, now)).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().connections.remove(&self.number);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
