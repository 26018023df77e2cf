use super::*;
use crate::base::Dice;
use crate::sip::driver::newcomers::Newcomers;
use crate::sip::driver::udp::Udp;

/// The calls have so much to do that no new one is to come.
struct Behind;

impl Switchboard for Behind {
    fn hear(&self, _: LegId, _: Signal) -> Result<(), Overflow> {
        Ok(())
    }

    fn backlog(&self) -> usize {
        1000
    }

    fn bind(&self, _: Binding) {}

    fn unbind(&self, _: &Binding) {}
}

struct Desk {
    newcomers: Newcomers,
    core: Mirror,
    seen: mpsc::Receiver<String>,
    flow: Flow,
    now: Instant,
}

impl Desk {
    fn new(switchboard: impl Switchboard + 'static) -> Desk {
        let (seen, log) = mpsc::channel(64);
        let core = Mirror { listen: Vec::new(), outputs: VecDeque::new(), seen };
        let newcomers = Newcomers::new("Patchcord", Arc::new(switchboard), &mut Dice::for_test(1));
        let [local, remote] = ["127.0.0.1:5060", "127.0.0.1:5062"].map(|a| a.parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote };
        Desk { newcomers, core, seen: log, flow, now: Instant::now() }
    }

    fn hear(&mut self, datagram: &[u8]) {
        self.newcomers.hear_datagram(self.now, self.flow, datagram, &mut self.core);
    }

    fn serve(&mut self) {
        self.newcomers.serve(self.now, true, &mut self.core, &mut Udp::new());
    }

    /// What the endpoint has heard since it was last asked.
    fn heard(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

fn numbered(method: &str, number: u32) -> Vec<u8> {
    let text = String::from_utf8(request(method, "sip:h", &"x".repeat(number as usize))).unwrap();
    text.replace("z9hG4bK1", &format!("z9hG4bK{number}")).into_bytes()
}

/// The same with a header in two lines, so that it has to be read as a whole.
fn folded(method: &str, number: u32) -> Vec<u8> {
    String::from_utf8(numbered(method, number)).unwrap().replace("\r\nTo", "\r\nSubject: a\r\n b\r\nTo").into_bytes()
}

fn within(datagram: Vec<u8>) -> Vec<u8> {
    String::from_utf8(datagram).unwrap().replace("To: <sip:h>", "To: <sip:h>;tag=2").into_bytes()
}

#[test]
fn as_long_as_nobody_waits_all_is_heard_in_the_order_in_which_it_came() {
    for new in [numbered, folded] {
        let mut desk = Desk::new(Busy::default());
        for number in [1, 3, 5] {
            desk.hear(&new("INVITE", number));
            desk.hear(&numbered("OPTIONS", number + 1));
        }
        assert_eq!(desk.heard(), ["INVITE 1", "OPTIONS 2", "INVITE 3", "OPTIONS 4", "INVITE 5", "OPTIONS 6"]);
        assert_eq!(desk.newcomers.pause(desk.now), None);
    }
}

#[test]
fn what_belongs_to_calls_goes_past_new_ones_which_are_taken_up_in_order_one_at_a_time() {
    for new in [numbered, folded] {
        let mut desk = Desk::new(Busy::default());
        for number in 0..34 {
            desk.hear(&new("INVITE", number));
        }
        assert_eq!(desk.heard().len(), 32);
        desk.hear(&numbered("OPTIONS", 3));
        desk.hear(&within(new("INVITE", 4)));
        desk.hear(&within(numbered("ACK", 5)));
        desk.hear(&within(numbered("BYE", 6)));
        assert_eq!(desk.heard(), ["OPTIONS 3", "INVITE 4", "ACK 5", "BYE 6"]);
        assert_eq!(desk.newcomers.pause(desk.now), Some(Duration::ZERO));
        desk.serve();
        assert_eq!(desk.heard(), ["INVITE 32"]);
        desk.serve();
        assert_eq!((desk.heard(), desk.newcomers.pause(desk.now)), (vec!["INVITE 33".to_owned()], None));
    }
}

#[test]
fn an_invite_that_waits_is_heard_before_its_cancel_and_once_though_it_comes_again() {
    for new in [numbered, folded] {
        let mut desk = Desk::new(Behind);
        desk.hear(&new("INVITE", 1));
        desk.hear(&new("INVITE", 2));
        desk.hear(&new("INVITE", 3));
        desk.hear(&new("INVITE", 3));
        desk.hear(&new("CANCEL", 3));
        assert_eq!(desk.heard(), ["INVITE 1", "INVITE 3", "CANCEL 3"]);
        desk.now += Duration::from_millis(50);
        desk.serve();
        desk.serve();
        assert_eq!(desk.heard(), ["INVITE 2"]);
    }
}

#[test]
fn while_the_calls_are_behind_new_ones_wait_but_not_for_ever() {
    let mut desk = Desk::new(Behind);
    desk.hear(&numbered("INVITE", 1));
    desk.hear(&numbered("INVITE", 2));
    desk.serve();
    assert_eq!(desk.heard(), ["INVITE 1"]);
    assert!(desk.newcomers.pause(desk.now).is_some_and(|pause| pause > Duration::ZERO));
    assert!(!desk.newcomers.is_pressing(desk.now));
    desk.now += Duration::from_millis(50);
    assert!(desk.newcomers.is_pressing(desk.now));
    desk.newcomers.serve(desk.now, false, &mut desk.core, &mut Udp::new());
    assert_eq!((desk.heard(), desk.newcomers.is_empty()), (vec!["INVITE 2".to_owned()], true));
}

#[test]
fn one_too_many_gets_its_503_whether_it_was_read_as_a_whole_or_not() {
    run(async {
        let listen = ["udp", "tcp"].map(|t| format!("{t}:127.0.0.1:0").parse().unwrap()).to_vec();
        let config = Config { listen, ..Config::default() };
        let bench = Bench::at(config, Limits::default(), Vec::new(), Busy::within(1));
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        phone.connect(bench.address(Transport::Udp)).await.unwrap();
        let mut refused = 0;
        // One a second is taken up, so that of as many as this some are not, however slow the machine is.
        for number in 1..40 {
            let new = if number % 2 == 0 { numbered } else { folded };
            phone.send(&new("INVITE", number)).await.unwrap();
            let mut buffer = [0; 2048];
            let length = phone.recv(&mut buffer).await.unwrap();
            let Ok(Message::Response(answer)) = Message::read_datagram(buffer[..length].to_vec().into()) else {
                panic!("no response");
            };
            assert_eq!(answer.headers.via().unwrap().branch(), Some(format!("z9hG4bK{number}").as_str()));
            assert_eq!(answer.headers.via().unwrap().rport(), Some(phone.local_addr().unwrap().port()));
            match answer.code() {
                200 => continue,
                503 => refused += 1,
                code => panic!("{code}"),
            }
        }
        assert!(refused > 0);
        assert_eq!(bench.running.handle.newcomers().turned_away(), refused);
        let mut stream = bench.connect().await;
        let mut answers = Vec::new();
        for number in 41..60 {
            stream.write_all(&numbered("INVITE", number)).await.unwrap();
            answers.push(status(&mut stream).await);
        }
        assert!(answers.contains(&503), "{answers:?}");
        assert_eq!(bench.running.handle.newcomers().waiting(), 0);
    });
}

#[test]
fn the_ack_of_who_was_turned_away_goes_no_further() {
    let mut desk = Desk::new(Busy::within(1));
    let sockets = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    sockets.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    run(async {
        let mut udp = Udp::new();
        desk.flow.local = udp.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        desk.flow.remote = sockets.local_addr().unwrap();
        for number in 1..3 {
            desk.hear(&numbered("INVITE", number));
            desk.newcomers.serve(desk.now, true, &mut desk.core, &mut udp);
        }
        assert_eq!(desk.heard(), ["INVITE 1"]);
        let mut buffer = [0; 2048];
        let length = sockets.recv(&mut buffer).unwrap();
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
        let ack = String::from_utf8(numbered("ACK", 2)).unwrap();
        desk.hear(ack.replace("To: <sip:h>", &format!("To: {to}")).as_bytes());
        desk.hear(&within(numbered("ACK", 3)));
        assert_eq!(desk.heard(), ["ACK 3"]);
        // The same INVITE gets the same answer (RFC 3261 §8.2.7).
        desk.hear(&numbered("INVITE", 2));
        desk.newcomers.serve(desk.now, true, &mut desk.core, &mut udp);
        let length = sockets.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), answer);
    });
}
