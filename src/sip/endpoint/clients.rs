//! Whose connections those are that come by a proxy.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Endpoint;
use crate::sip::flow::Flow;

/// The clients behind proxies, by their connections; as many as there are connections at most.
#[derive(Debug, Default)]
pub struct Clients(HashMap<Flow, IpAddr>);

impl Clients {
    /// Where requests of this flow come from, for all that is counted by address.
    pub fn address(&self, flow: &Flow) -> IpAddr {
        self.0.get(flow).copied().unwrap_or(flow.remote.ip())
    }

    /// The flow is no more.
    pub fn forget(&mut self, flow: &Flow) {
        self.0.remove(flow);
    }
}

impl Endpoint {
    /// Who stands behind the proxy of a new connection; the proxy's own address if nobody does.
    pub fn handle_client(&mut self, flow: Flow, client: IpAddr) {
        if client == flow.remote.ip() {
            self.clients.forget(&flow);
        } else {
            self.clients.0.insert(flow, client);
        }
    }
}
