//! Is the address in the list? Disjoint ranges in order, so that a long list costs a binary search.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::Network;

/// A set of addresses. IPv4 that comes mapped into IPv6 (`::ffff:0:0/96`, RFC 4291 §2.5.5.2) is IPv4, in the list
/// as well as when asked; `::/0` is IPv6 alone.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressSet {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl AddressSet {
    pub(super) fn new(networks: &[Network]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for Network(net) in networks {
            match unmapped(*net) {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { v4: disjoint(v4), v6: disjoint(v6) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => within(&self.v4, address.to_bits()),
            IpAddr::V6(address) => within(&self.v6, address.to_bits()),
        }
    }
}

fn unmapped(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(six) => match (six.network().to_ipv4_mapped(), six.prefix_len().checked_sub(96)) {
            (Some(address), Some(prefix)) => Ipv4Net::new(address, prefix).map_or(net, IpNet::V4),
            (None, _) | (_, None) => net,
        },
        IpNet::V4(_) => net,
    }
}

fn disjoint<T: Copy + Ord>(mut ranges: Vec<(T, T)>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut apart: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match apart.last_mut() {
            Some((_, end)) if first <= *end => *end = (*end).max(last),
            Some(_) | None => apart.push((first, last)),
        }
    }
    apart.into()
}

fn within<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|before| ranges.get(before)).is_some_and(|(_, last)| address <= *last)
}
