//! The open connections of one listener: admits new ones and evicts idle ones.
//!
//! A connection is *idle* until the head of its first request is complete, and again between a response and the head of
//! the next request. When the limit is reached, the connection that has been idle for the longest time is closed. A
//! connection with a request in progress is never closed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// The open connections of a listener.
pub(super) struct ConnectionTable {
    max: usize,
    per_address: PerAddress,
    state: Mutex<TableState>,
    /// Notified when a connection ends or becomes idle.
    changed: Notify,
}

/// The maximum number of connections of one client address.
#[derive(Debug, Clone, Copy)]
pub(super) enum PerAddress {
    /// Applies to all addresses.
    All(usize),
    /// Applies to all but loopback addresses, which are reverse proxies or programs on the same host.
    Remote(usize),
}

#[derive(Default)]
struct TableState {
    /// Incremented with each connection that becomes idle or is accepted.
    clock: u64,
    connections: HashMap<u64, Connection>,
    /// Idle connections in the order in which they became idle.
    idle: BTreeMap<u64, u64>,
    addresses: HashMap<IpAddr, Address>,
    /// Number of connections that are being closed to make room.
    evicting: usize,
}

#[derive(Default)]
struct Address {
    connections: usize,
    idle: BTreeSet<(u64, u64)>,
    evicting: usize,
}

struct Connection {
    address: IpAddr,
    phase: Phase,
    signal: watch::Sender<Signal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Busy,
    IdleSince(u64),
    Evicted,
}

/// A signal to the task of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Other limits apply.
    Continue,
    /// The connection is idle after a request without a valid key or URL.
    Unauthenticated,
    /// The connection must be closed.
    Evicted,
}

/// The decision about a new connection.
pub(super) enum Admission {
    Accepted(Arc<Slot>),
    /// The address has its maximum number of connections, all of them busy.
    Rejected,
    /// There may be room after the table changes.
    Full,
}

/// The entry of one connection, removed when this is dropped.
pub(super) struct Slot {
    table: Arc<ConnectionTable>,
    id: u64,
    signal: watch::Receiver<Signal>,
    /// The response is complete but may not be sent yet.
    answered: AtomicBool,
}

impl ConnectionTable {
    pub(super) fn new(max: usize, per_address: PerAddress) -> Arc<Self> {
        Arc::new(Self {
            max,
            per_address,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Admits a connection from this address if there is room. Otherwise closes the connection that has been idle for the
    /// longest time.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Admission {
        let max = self.per_address.of(address);
        let address = client_address(address);
        let mut state = self.lock();
        if let Some(own) = state.addresses.get(&address)
            && own.connections >= max
        {
            if own.evicting == 0 {
                let Some((_, oldest)) = own.idle.first().copied() else {
                    return Admission::Rejected;
                };
                state.evict(oldest);
            }
            return Admission::Full;
        }
        if state.connections.len() >= self.max {
            if state.evicting == 0 {
                state.evict_oldest();
            }
            return Admission::Full;
        }
        Admission::Accepted(self.slot(&mut state, address))
    }

    fn slot(self: &Arc<Self>, state: &mut TableState, address: IpAddr) -> Arc<Slot> {
        let id = state.tick();
        let (signal, signals) = watch::channel(Signal::Continue);
        let connection = Connection {
            address,
            phase: Phase::Busy,
            signal,
        };
        state.connections.insert(id, connection);
        state.addresses.entry(address).or_default().connections += 1;
        state.become_idle(id);
        Arc::new(Slot {
            table: self.clone(),
            id,
            signal: signals,
            answered: AtomicBool::new(false),
        })
    }

    /// Closes the connection that has been idle for the longest time, to free resources such as file descriptors.
    pub(super) fn make_room(&self) {
        self.lock().evict_oldest();
    }

    /// Waits until there may be room for a connection.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, TableState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TableState {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn become_idle(&mut self, id: u64) {
        let since = self.tick();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.phase != Phase::Busy {
            return;
        }
        connection.phase = Phase::IdleSince(since);
        self.idle.insert(since, id);
        if let Some(address) = self.addresses.get_mut(&connection.address) {
            address.idle.insert((since, id));
        }
    }

    /// Sets the phase of an idle connection. Returns whether the connection was idle.
    fn end_idle(&mut self, id: u64, phase: Phase) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        let Phase::IdleSince(since) = connection.phase else {
            return false;
        };
        connection.phase = phase;
        self.idle.remove(&since);
        if let Some(address) = self.addresses.get_mut(&connection.address) {
            address.idle.remove(&(since, id));
        }
        true
    }

    fn evict(&mut self, id: u64) -> bool {
        if !self.end_idle(id, Phase::Evicted) {
            return false;
        }
        self.evicting += 1;
        if let Some(connection) = self.connections.get(&id) {
            if let Some(address) = self.addresses.get_mut(&connection.address) {
                address.evicting += 1;
            }
            connection.signal.send_replace(Signal::Evicted);
        }
        true
    }

    fn evict_oldest(&mut self) {
        if let Some((_, id)) = self.idle.first_key_value() {
            self.evict(*id);
        }
    }
}

impl Slot {
    /// Records that the head of a request was received. Returns false if the connection is being closed. Then the request
    /// must not be executed.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.table.lock();
        self.answered.store(false, Ordering::Relaxed);
        let Some(connection) = state.connections.get(&self.id) else {
            return false;
        };
        if connection.phase == Phase::Evicted {
            return false;
        }
        connection.signal.send_if_modified(|signal| {
            let modified = *signal != Signal::Continue;
            *signal = Signal::Continue;
            modified
        });
        state.end_idle(self.id, Phase::Busy);
        true
    }

    /// Records that the response is complete. The connection becomes idle when the response is sent, or immediately if the
    /// request had no valid key or URL.
    pub(super) fn answered(&self, authenticated: bool) {
        if authenticated {
            self.answered.store(true, Ordering::Relaxed);
            return;
        }
        let mut state = self.table.lock();
        state.become_idle(self.id);
        if let Some(connection) = state.connections.get(&self.id) {
            connection.signal.send_if_modified(|signal| {
                let modified = *signal == Signal::Continue;
                if modified {
                    *signal = Signal::Unauthenticated;
                }
                modified
            });
        }
        drop(state);
        self.table.changed.notify_one();
    }

    /// Records that all written bytes are sent.
    pub(super) fn flushed(&self) {
        if self.answered.swap(false, Ordering::Relaxed) {
            self.table.lock().become_idle(self.id);
            self.table.changed.notify_one();
        }
    }

    /// Returns the signals to the task of the connection.
    pub(super) fn signals(&self) -> watch::Receiver<Signal> {
        self.signal.clone()
    }

    /// Closes the connection if it is idle. Returns whether it is closed.
    pub(super) fn close_if_idle(&self) -> bool {
        self.table.lock().evict(self.id)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.table.lock();
        state.end_idle(self.id, Phase::Busy);
        if let Some(connection) = state.connections.remove(&self.id) {
            let evicted = usize::from(connection.phase == Phase::Evicted);
            state.evicting -= evicted;
            if let Some(address) = state.addresses.get_mut(&connection.address) {
                address.evicting -= evicted;
                address.connections -= 1;
                if address.connections == 0 {
                    state.addresses.remove(&connection.address);
                }
            }
        }
        drop(state);
        self.table.changed.notify_one();
    }
}

impl PerAddress {
    fn of(self, address: IpAddr) -> usize {
        match self {
            Self::All(max) => max,
            Self::Remote(_) if address.to_canonical().is_loopback() => usize::MAX,
            Self::Remote(max) => max,
        }
    }
}

/// Returns the part of an address that identifies a client: an IPv4 address, or the /64 network of an IPv6 address.
fn client_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    impl Slot {
        fn is_evicted(&self) -> bool {
            *self.signal.borrow() == Signal::Evicted
        }
    }

    fn accepted(table: &Arc<ConnectionTable>, address: IpAddr) -> Arc<Slot> {
        match table.admit(address) {
            Admission::Accepted(slot) => slot,
            Admission::Rejected => panic!("rejected"),
            Admission::Full => panic!("full"),
        }
    }

    fn is_full(table: &Arc<ConnectionTable>, address: IpAddr) -> bool {
        matches!(table.admit(address), Admission::Full)
    }

    fn is_rejected(table: &Arc<ConnectionTable>, address: IpAddr) -> bool {
        matches!(table.admit(address), Admission::Rejected)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_full_table_evicts_the_connection_that_was_idle_longest() {
        let table = ConnectionTable::new(3, PerAddress::Remote(3));
        let slots = [HERE; 3].map(|address| accepted(&table, address));
        // The first is busy, and the third has been idle longer than the second.
        assert!(slots[0].begin() && slots[1].begin());
        slots[1].answered(true);
        slots[1].flushed();
        assert!(is_full(&table, HERE));
        let evicted = || slots.each_ref().map(|slot| slot.is_evicted());
        assert_eq!(evicted(), [false, false, true]);
        // One eviction is enough, and an evicted connection takes no request.
        assert!(is_full(&table, HERE));
        assert_eq!(evicted(), [false, false, true]);
        assert!(!slots[2].begin() && slots[1].begin());
        let [first, _second, third] = slots;
        drop(third);
        let fourth = accepted(&table, HERE);
        fourth.begin();
        assert!(is_full(&table, HERE));
        assert!(!first.is_evicted() && !fourth.is_evicted());
        drop(first);
        accepted(&table, HERE);
    }

    #[test]
    fn only_an_unauthenticated_connection_is_evicted_before_its_response_is_sent() {
        let table = ConnectionTable::new(1, PerAddress::Remote(1));
        let slot = accepted(&table, HERE);
        slot.begin();
        slot.answered(true);
        assert!(is_full(&table, HERE) && !slot.is_evicted() && !slot.close_if_idle());
        slot.flushed();
        assert!(is_full(&table, HERE) && slot.is_evicted());
        drop(slot);
        let slot = accepted(&table, HERE);
        slot.begin();
        slot.answered(false);
        assert_eq!(*slot.signals().borrow(), Signal::Unauthenticated);
        // The next request may have a key.
        assert!(slot.begin() && *slot.signals().borrow() == Signal::Continue);
        slot.answered(false);
        assert!(is_full(&table, HERE) && slot.is_evicted());
    }

    #[test]
    fn connections_per_address_are_limited() {
        let table = ConnectionTable::new(10, PerAddress::Remote(2));
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let slots = [one; 2].map(|address| accepted(&table, address));
        let _others = [other; 2].map(|address| accepted(&table, address));
        // Only idle connections of the same address are evicted.
        assert!(slots[0].begin());
        assert!(is_full(&table, one) && slots[1].is_evicted());
        let [busy, evicted] = slots;
        drop(evicted);
        let second = accepted(&table, one);
        second.begin();
        assert!(is_rejected(&table, one));
        drop(busy);
        accepted(&table, one);
        // Loopback addresses are not limited by default.
        let _all = [HERE; 6].map(|address| accepted(&table, address));
        let limited = ConnectionTable::new(10, PerAddress::All(1));
        let slot = accepted(&limited, HERE);
        slot.begin();
        assert!(is_rejected(&limited, HERE));
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(
            client_address(address("2001:db8::1")),
            client_address(address("2001:db8::2:3"))
        );
        assert_ne!(
            client_address(address("2001:db8::1")),
            client_address(address("2001:db8:0:1::1"))
        );
        assert_eq!(
            client_address(address("::ffff:192.0.2.1")),
            address("192.0.2.1")
        );
        assert_ne!(
            client_address(address("192.0.2.1")),
            client_address(address("192.0.2.2"))
        );
        assert_eq!(
            PerAddress::Remote(1).of(address("::ffff:127.0.0.1")),
            usize::MAX
        );
        assert_eq!(PerAddress::Remote(1).of(address("::1")), usize::MAX);
    }

    #[test]
    fn closed_connections_leave_no_state() {
        let table = ConnectionTable::new(2, PerAddress::Remote(2));
        let slots = [HERE, address("192.0.2.1")].map(|address| accepted(&table, address));
        assert!(is_full(&table, HERE));
        drop(slots);
        let state = table.lock();
        assert!(
            state.connections.is_empty() && state.idle.is_empty() && state.addresses.is_empty()
        );
        assert_eq!(state.evicting, 0);
    }
}
