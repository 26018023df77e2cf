//! TLS: whom we believe, who believes us, and that it carries what TCP carries.

use std::path::PathBuf;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::sip::config::{HostPort, Own, Tls, TrunkTls};
use crate::sip::driver::tls::Certificates;

/// A root, and the certificates that it signs.
struct House {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    root: PathBuf,
}

/// A certificate and its key.
struct Shown {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Shown {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    fn secret(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl House {
    fn new() -> House {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, issuer.pem()).unwrap();
        House { folder, issuer, root }
    }

    fn sign(&self, names: Vec<SanType>, expired: bool) -> Shown {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        Shown { certificate: params.signed_by(&key, &self.issuer).unwrap().der().clone(), key }
    }

    fn named(&self, name: &str) -> Shown {
        self.sign(vec![SanType::DnsName(name.try_into().unwrap())], false)
    }

    /// A certificate for this machine, in files that may be there already.
    fn files(&self, file: &str) -> Own {
        let shown = self.named("localhost");
        let (certificate, key) =
            (self.folder.path().join(format!("{file}.pem")), self.folder.path().join(format!("{file}.key")));
        let line = |label: &str, der: &[u8]| {
            let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der);
            let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
        };
        std::fs::write(&certificate, line("CERTIFICATE", &shown.certificate)).unwrap();
        std::fs::write(&key, shown.key.serialize_pem()).unwrap();
        Own::Files { certificate, key }
    }

    /// An endpoint that listens by TLS.
    fn config(&self) -> Config {
        let listen = ["udp:127.0.0.1:0", "tls:127.0.0.1:0"].map(|l| l.parse().unwrap()).to_vec();
        let tls = Tls { own: Some(self.files("ours")), ..Tls::default() };
        Config { listen, tls, ..Config::default() }
    }

    /// A phone that connects, and shows this.
    async fn phone(&self, bench: &Bench, shows: Option<&Shown>) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_webpki_verifier(verifier);
        let config = match shows {
            Some(shown) => config.with_client_auth_cert(shown.chain(), shown.secret()).unwrap(),
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(bench.address(Transport::Tls)).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// A server of somebody else, which asks for a certificate of this house if it is to.
    async fn server(&self, shows: &Shown, asks: bool) -> (TcpListener, TlsAcceptor) {
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let config = match asks {
            true => {
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
            false => config.with_no_client_auth(),
        };
        let config = config.with_single_cert(shows.chain(), shows.secret()).unwrap();
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
    }

    /// Whether a request reaches the trunk at such a server.
    async fn reaches(&self, shows: &Shown, asks: bool, tls: TrunkTls) -> bool {
        let (listener, acceptor) = self.server(shows, asks).await;
        let remote = listener.local_addr().unwrap();
        let trunk = Trunk { transport: Transport::Tls, tls, ..Trunk::at(HostPort::from(remote)) };
        let config = Config { trunks: [("carrier".to_owned(), trunk)].into(), ..self.config() };
        let mut bench = Bench::with(config, Limits::default(), Vec::new());
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let message = request("MESSAGE", &format!("sip:{remote};transport=tls"), "");
        phone.send_to(&message, bench.address(Transport::Udp)).await.unwrap();
        let served = async {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.ok()?;
            let mut start = [0; 7];
            stream.read_exact(&mut start).await.ok().filter(|_| &start == b"MESSAGE")
        };
        if served.await.is_some() {
            return true;
        }
        assert_eq!(bench.seen().await, format!("closed {remote}"), "it is told that the trunk cannot be reached");
        false
    }
}

fn trusting(house: &House, name: &str) -> TrunkTls {
    TrunkTls { ca: Some(house.root.clone()), name: Some(name.to_owned()), ..TrunkTls::default() }
}

#[test]
fn a_phone_by_tls_is_answered_on_its_connection() {
    run(async {
        let house = House::new();
        let mut bench = Bench::with(house.config(), Limits::default(), Vec::new());
        let mut phone = house.phone(&bench, None).await.unwrap();
        phone.write_all(&[options("first"), options("second")].concat()).await.unwrap();
        assert_eq!([status(&mut phone).await, status(&mut phone).await], [200, 200]);
        assert_eq!([bench.seen().await, bench.seen().await], ["OPTIONS 5", "OPTIONS 6"]);
        phone.write_all(b"\r\n\r\n").await.unwrap();
        let mut pong = [0; 2];
        phone.read_exact(&mut pong).await.unwrap();
        assert_eq!(&pong, b"\r\n");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]
    #[test]
    fn requests_by_tls_are_answered_however_their_octets_are_cut(cuts in proptest::collection::vec(1_usize..400, 1..24)) {
        run(async {
            let house = House::new();
            let bench = Bench::with(house.config(), Limits::default(), Vec::new());
            let mut phone = house.phone(&bench, None).await.unwrap();
            let all = [options("one"), b"\r\n".to_vec(), options(""), options("three")].concat();
            let mut rest = &all[..];
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                phone.write_all(piece).await.unwrap();
                phone.flush().await.unwrap();
                rest = left;
            }
            for _ in 0..3 {
                assert_eq!(status(&mut phone).await, 200);
            }
        });
    }
}

#[test]
fn who_never_agrees_on_tls_is_let_go() {
    run(async {
        let house = House::new();
        let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
        let bench = Bench::with(house.config(), limits, Vec::new());
        let mut silent = TcpStream::connect(bench.address(Transport::Tls)).await.unwrap();
        assert!(is_closed(&mut silent).await);
        let mut plain = TcpStream::connect(bench.address(Transport::Tls)).await.unwrap();
        plain.write_all(&options("")).await.unwrap();
        let mut said = Vec::new();
        let _ = plain.read_to_end(&mut said).await;
        assert!(!said.starts_with(b"SIP/2.0"), "nothing is said in the clear");
    });
}

#[test]
fn where_a_client_certificate_is_demanded_nobody_else_gets_in() {
    run(async {
        let (house, stranger) = (House::new(), House::new());
        let config = house.config();
        let tls = Tls { client_ca: Some(house.root.clone()), ..config.tls };
        let mut bench = Bench::with(Config { tls, ..config }, Limits::default(), Vec::new());
        for shows in [None, Some(stranger.named("trunk.example.org"))] {
            // By TLS 1.3 the client is done before the server has judged it.
            let Ok(mut phone) = house.phone(&bench, shows.as_ref()).await else { continue };
            let _ = phone.write_all(&options("")).await;
            assert!(phone.read_u8().await.is_err());
            assert!(bench.seen().await.starts_with("closed"));
        }
        let mut trunk = house.phone(&bench, Some(&house.named("trunk.example.org"))).await.unwrap();
        trunk.write_all(&options("")).await.unwrap();
        assert_eq!(status(&mut trunk).await, 200);
    });
}

#[test]
fn a_trunk_is_believed_only_for_its_own_name_from_a_known_root_and_while_it_is_valid() {
    run(async {
        let (house, stranger) = (House::new(), House::new());
        let wanted = trusting(&house, "sip.example.org");
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
        for (names, good, why) in [
            (vec![dns("SIP.example.org")], true, "its name"),
            (vec![dns("other.example.org")], false, "another name"),
            (vec![dns("*.example.org")], false, "no asterisk stands for a name (RFC 5922 §7.2)"),
            (vec![uri("sip:sip.example.org")], true, "its URI"),
            (vec![uri("sip:other.example.org"), dns("sip.example.org")], false, "a URI of SIP comes before DNS names"),
            (vec![uri("https://other.example.org"), dns("sip.example.org")], true, "another URI does not count"),
            (vec![uri("sip:carrier@sip.example.org")], false, "a user is no domain"),
        ] {
            assert_eq!(house.reaches(&house.sign(names, false), false, wanted.clone()).await, good, "{why}");
        }
        let expired = house.sign(vec![dns("sip.example.org")], true);
        assert!(!house.reaches(&expired, false, wanted.clone()).await, "expired");
        assert!(!house.reaches(&stranger.named("sip.example.org"), false, wanted).await, "an unknown root");
        let asterisk = house.sign(vec![dns("*.example.org")], false);
        assert!(house.reaches(&asterisk, false, trusting(&house, "*.example.org")).await, "named letter by letter");
        let address = house.sign(vec![SanType::IpAddress([127, 0, 0, 1].into())], false);
        let by_address = TrunkTls { ca: Some(house.root.clone()), ..TrunkTls::default() };
        assert!(house.reaches(&address, false, by_address).await, "a trunk without a name is known by its address");
    });
}

#[test]
fn a_trunk_that_asks_is_shown_our_certificate() {
    run(async {
        let house = House::new();
        let shown = house.named("sip.example.org");
        let wanted = trusting(&house, "sip.example.org");
        assert!(!house.reaches(&shown, true, wanted.clone()).await);
        assert!(house.reaches(&shown, true, TrunkTls { own: Some(house.files("client")), ..wanted }).await);
    });
}

#[test]
fn a_certificate_that_was_replaced_is_shown_from_then_on_and_a_broken_one_is_not() {
    run(async {
        let house = House::new();
        let bench = Bench::with(house.config(), Limits::default(), Vec::new());
        let shown = async || {
            let phone = house.phone(&bench, None).await.unwrap();
            phone.get_ref().1.peer_certificates().unwrap()[0].clone()
        };
        let first = shown().await;
        let Own::Files { certificate, .. } = house.files("ours") else { unreachable!() };
        bench.running.handle.reload_certificates().unwrap();
        let second = shown().await;
        assert_ne!(first, second);
        std::fs::write(&certificate, "half a file").unwrap();
        let error = bench.running.handle.reload_certificates().unwrap_err().to_string();
        assert!(error.contains("ours.pem"), "{error}");
        assert_eq!(shown().await, second);
    });
}

#[test]
fn a_file_that_was_replaced_is_noticed_once() {
    let house = House::new();
    let config = house.config();
    let certificates = Certificates::load(&config).unwrap().unwrap();
    assert!(!certificates.has_changed());
    let Some(Own::Files { certificate, .. }) = &config.tls.own else { unreachable!() };
    let pem = std::fs::read_to_string(certificate).unwrap();
    std::fs::write(certificate, pem + "\n").unwrap();
    assert!(certificates.has_changed());
    certificates.reload().unwrap();
    assert!(!certificates.has_changed());
}

#[test]
fn without_a_certificate_there_is_no_tls_and_a_file_that_cannot_be_read_is_named() {
    let listen = vec!["tls:127.0.0.1:0".parse().unwrap()];
    let config = Config { listen, ..Config::default() };
    assert!(Certificates::load(&config).unwrap_err().to_string().contains("certificate"));
    let nowhere = Own::Files { certificate: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into() };
    let config = Config { tls: Tls { own: Some(nowhere), ..Tls::default() }, ..config };
    assert!(Certificates::load(&config).unwrap_err().to_string().contains("/nowhere/cert.pem"));
    assert!(Certificates::load(&Config::default()).unwrap().is_none());
}

#[test]
fn keys_may_stand_in_descriptions_where_nobody_on_the_way_reads_them() {
    let house = House::new();
    let trunk = |transport| Trunk { transport, ..Trunk::at("sip.example.org".parse().unwrap()) };
    let trunks = [("safe".to_owned(), trunk(Transport::Tls)), ("plain".to_owned(), trunk(Transport::Tcp))].into();
    let policies = Policies::of(&Config { trunks, ..house.config() });
    let words = |trunk, way| policies.apply(trunk, way, false).keys_in_words;
    assert!(words(Some("safe"), None) && !words(Some("plain"), None));
    assert!(words(None, Some(Transport::Tls)) && !words(None, Some(Transport::Tcp)) && !words(None, None));
    let browser = policies.apply(None, Some(Transport::Ws), false);
    assert_eq!((browser.offers, browser.srtp), (LegSpec::BROWSER, SrtpPolicy::Required));
}
