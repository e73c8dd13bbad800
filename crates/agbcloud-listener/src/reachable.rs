//! The address at which a listener can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns an address that local clients can connect to: a loopback address instead of the unspecified one.
///
/// ```
/// use agbcloud_listener::reachable;
///
/// let address = reachable("0.0.0.0:8785".parse()?);
/// assert_eq!(address.to_string(), "127.0.0.1:8785");
/// # Ok::<_, std::net::AddrParseError>(())
/// ```
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
