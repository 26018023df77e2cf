//! The address of a certificate: the `info` of an `Identity` header, the `x5u` of a PASSporT.

/// The longest address that is read, in octets.
pub const MAX_ADDRESS: usize = 512;
/// The ports of certificates on the public network: that of https, and the one that carriers agreed on beside it.
const PORTS: [u16; 2] = [443, 8443];

/// Where a certificate lies, by https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// The host, in lower case: a name, or an address of IPv4.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and what stands behind it, as it is asked for.
    pub path: &'a str,
}

impl Place<'_> {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn read(address: &str) -> Result<Place<'_>, &'static str> {
        let https = address.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
        let rest = https.and_then(|_| address.get(8..)).ok_or("the certificate's address is not one of https")?;
        if address.len() > MAX_ADDRESS || !rest.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the certificate's address is too long, or none");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let slash = rest.find('/').ok_or("the certificate's address names no file")?;
        let (authority, path) = rest.split_at(slash);
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| "the certificate's address has an odd port")?),
            None => (authority, 443),
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        if host.is_empty() || !host.bytes().all(legal) {
            return Err("the certificate's address names no host");
        }
        Ok(Place { host: host.to_ascii_lowercase(), port, path })
    }

    /// The name of the file, without what stands behind it.
    pub fn file(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the port is one of certificates for everybody.
    pub fn has_usual_port(&self) -> bool {
        PORTS.contains(&self.port)
    }
}
