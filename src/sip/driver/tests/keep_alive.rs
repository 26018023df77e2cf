//! What keeps the flows to carriers alive, on real sockets.

use super::*;
use crate::sip::trunk::keep_alive::PING;

/// A server, and the way to it.
async fn server() -> (TcpListener, Flow) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = listener.local_addr().unwrap();
    (listener, Flow { transport: Transport::Tcp, local: "127.0.0.1:5060".parse().unwrap(), remote })
}

fn ping(flow: Flow) -> Output {
    Output::Transmit { flow, bytes: PING.into() }
}

#[test]
fn a_ping_of_the_endpoint_goes_out_as_it_is_and_each_crlf_that_answers_one_is_told() {
    run(async {
        let (listener, flow) = server().await;
        let mut bench = Bench::start("127.0.0.1", Limits::default(), vec![ping(flow)]);
        let (mut carrier, _) = listener.accept().await.unwrap();
        let mut heard = [0; 4];
        carrier.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, PING);
        for octet in b"\r\n" {
            carrier.write_all(&[*octet]).await.unwrap();
        }
        assert_eq!(bench.seen().await, format!("pong {}", flow.remote), "nothing has to come after it");
        carrier.write_all(b"\r\n").await.unwrap();
        carrier.write_all(&options("")).await.unwrap();
        assert_eq!(
            (status(&mut carrier).await, bench.seen().await),
            (200, "OPTIONS 0".into()),
            "nobody has asked twice"
        );
    });
}

#[test]
fn a_connection_that_the_endpoint_lets_go_of_is_closed() {
    run(async {
        let (listener, flow) = server().await;
        let mut bench = Bench::start("127.0.0.1", Limits::default(), vec![ping(flow), Output::Close { flow }]);
        assert_eq!(bench.seen().await, format!("closed {}", flow.remote));
        let (mut carrier, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        carrier.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, PING, "what was said before still goes out");
    });
}

#[test]
fn an_answer_by_stun_is_the_endpoints_and_what_only_looks_like_one_is_nobodys() {
    run(async {
        let mut bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let carrier = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        carrier.connect(bench.address(Transport::Udp)).await.unwrap();
        let request = crate::stun::binding_request(*b"transaction!");
        let response = crate::stun::seen_at(&request, "192.0.2.1:5060".parse().unwrap()).unwrap();
        let mut broken = response.clone();
        broken[23] = 200;
        carrier.send(&broken).await.unwrap();
        carrier.send(&response).await.unwrap();
        assert_eq!(bench.seen().await, "seen at 192.0.2.1:5060");
    });
}
