//! Which addresses? Listeners and networks, as text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

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

/// A network in CIDR form, or a single address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network(pub IpNet);

impl Network {
    /// Whether it holds every address of its family.
    pub fn is_everyone(self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.into()));
        }
        let network: IpNet = text
            .parse()
            .map_err(|_| format!("`{text}` is not a network: write it as `10.0.0.0/8`, `fd00::/8` or `192.0.2.7`"))?;
        if network.trunc() == network {
            Ok(Self(network))
        } else {
            Err(format!("`{text}` has bits beyond its prefix; the network is `{}`", network.trunc()))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_type!(Network, "Network", "A network in CIDR form, or a single IP address.", "10.0.0.0/8");
