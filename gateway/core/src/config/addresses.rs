//! Which addresses? Listeners and networks, as text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::text::text_type;

/// Where one listener stands: an IP address and a port, or nowhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Listener {
    At(SocketAddr),
    #[default]
    Off,
}

impl Listener {
    pub(super) const fn https() -> Self {
        Self::At(SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8443))
    }

    pub(super) const fn admin() -> Self {
        Self::At(SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9443))
    }

    /// `None` when off.
    pub const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::At(address) => Some(address),
            Self::Off => None,
        }
    }

    /// Whether binding both would fail. Port 0 asks the system for a free one and never collides.
    pub(super) fn collides(self, other: Self) -> bool {
        let (Some(one), Some(other)) = (self.address(), other.address()) else { return false };
        let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
        one.port() != 0 && one.port() == other.port() && overlap
    }
}

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_| {
                format!(
                    "`{text}` is not an address to listen on: write an IP address and a port, as in `127.0.0.1:8443` \
                     or `[::1]:8443`, or `off`"
                )
            }),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

text_type!(Listener, "Listener", "An IP address and a port to listen on, or `off`.", "127.0.0.1:8443");
