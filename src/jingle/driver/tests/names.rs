//! Where servers are, by a name service that is written out here.

use std::net::Ipv4Addr;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;

use super::*;
use crate::model::Address;

/// A name service that knows the server of `a.lit`, at that port of this machine.
async fn name_service(port: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            let mut message = Message::from_vec(&bytes[..length]).unwrap().into_response();
            let name = message.queries[0].name().clone();
            let data = match (name.to_ascii().as_str(), message.queries[0].query_type().to_string().as_str()) {
                ("_xmpp-client._tcp.a.lit.", "SRV") => {
                    Some(RData::SRV(SRV::new(0, 0, port, Name::from_ascii("im.a.lit.").unwrap())))
                }
                ("im.a.lit.", "A") => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
                _ => None,
            };
            if let Some(data) = data {
                message.add_answer(Record::from_rdata(name, 60, data));
            }
            socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

fn account() -> Login {
    let (password, inbound) = (Secret::new("pencil"), Address::here("front-desk"));
    Login::Client { jid: "gate@a.lit".parse().unwrap(), password, inbound }
}

#[tokio::test]
async fn the_server_of_a_domain_is_where_the_configured_name_servers_say() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asked = name_service(listener.local_addr().unwrap().port()).await;
    let bench = Bench::where_it_is(None, &[asked], listener, account(), quick());
    let header = bench.accept().await.hear("version='1.0'>").await;
    assert!(header.contains(" to='a.lit'"), "{header}");
}

#[tokio::test]
async fn a_server_that_is_named_is_asked_for_there_too_and_a_name_without_a_dot_is_not() {
    for name in ["im.a.lit", "localhost"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = name_service(9).await;
        let bench = Bench::where_it_is(Some((name.into(), port)), &[asked], listener, account(), quick());
        bench.accept().await.hear("version='1.0'>").await;
    }
}
