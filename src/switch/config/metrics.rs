//! Where figures are shown to whoever watches the gateway.

use std::net::SocketAddr;

use super::Page;
use crate::base::settings::Section;

/// Reads `[metrics]`. Figures never stand on the page's own port, which others may reach.
pub(super) fn read(section: &mut Section<'_>, page: &Page) -> Option<SocketAddr> {
    let wanted = "an address and a port, such as \"127.0.0.1:9090\"";
    let listen = section.value("listen", wanted, |text| text.parse::<SocketAddr>().ok())?;
    if listen.value == page.listen && page.listen.port() != 0 {
        section.sheet().complain(listen.at, "the page listens there: give the metrics a port of their own");
    }
    Some(listen.value)
}
