//! `[stir]`, and what trunks say of it.

use std::path::Path;

use super::print::Table;
use super::read::read_path;
use super::transports::read_file;
use crate::base::settings::Section;
use crate::model::Attestation;
use crate::sip::config::{Config, Fetch, IdentityCheck, Signing, StirFiles, TrunkStir};

/// Reads `[stir]`.
pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> StirFiles {
    let roots = read_file(section, "roots", folder);
    let certificates = read_path(section, "certificates", folder);
    if let Some(directory) = &certificates
        && !directory.value.is_dir()
    {
        section.sheet().complain(directory.at, format!("`{}` is no directory", directory.value.display()));
    }
    let key = read_file(section, "key", folder);
    let wanted = "where others find the certificate, such as \"https://example.org/calls.pem\"";
    let url = section.value("certificate_url", wanted, read_url);
    let signing = match (key, url) {
        (Some(key), Some(url)) => Some(Signing { key, certificate_url: url.value }),
        (None, None) => None,
        _ => {
            section.complain("a call is signed with both: write `key` and `certificate_url`");
            None
        }
    };
    let attest_users = read_attestation(section, "attest_users").unwrap_or(Attestation::B);
    let fetch = read_fetch(section, folder);
    StirFiles { roots, certificates: certificates.map(|c| c.value), fetch, signing, attest_users }
}

/// An address of `https` that may stand in a header.
pub(super) fn read_url(text: &str) -> Option<String> {
    let legal = text.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b));
    (legal && text.len() <= MAX_URL && text.starts_with("https://")).then(|| text.to_owned())
}

fn read_attestation(section: &mut Section<'_>, key: &'static str) -> Option<Attestation> {
    section.value(key, "\"A\", \"B\" or \"C\"", Attestation::by_word).map(|a| a.value)
}

fn read_fetch(section: &mut Section<'_>, folder: &Path) -> Option<Fetch> {
    let fetches = section.flag("fetch").is_some_and(|f| f.value);
    let wanted = "a host by its name, such as \"certificates.example.org\"";
    let hosts = section.values("fetch_hosts", wanted, MAX_HOSTS, |host| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        (!host.is_empty() && host.bytes().all(legal)).then(|| host.to_ascii_lowercase())
    });
    let hosts: Vec<String> = hosts.into_iter().flatten().map(|host| host.value).collect();
    let roots = read_file(section, "fetch_roots", folder);
    if !fetches && (!hosts.is_empty() || roots.is_some()) {
        section.complain("nothing is fetched: write `fetch = true`");
    }
    fetches.then_some(Fetch { hosts, roots })
}

/// The longest address of a certificate.
const MAX_URL: usize = 512;
/// The most hosts that certificates come from.
const MAX_HOSTS: usize = 256;

/// Reads what a trunk says.
pub(super) fn read_trunk(section: &mut Section<'_>) -> TrunkStir {
    let check = section.value("identity_check", "\"off\", \"mark\" or \"reject\"", IdentityCheck::by_word);
    let sign = section.flag("sign").is_some_and(|f| f.value);
    let pass = section.flag("pass_identity").is_some_and(|f| f.value);
    let verstat = section.flag("verstat").is_some_and(|f| f.value);
    let attest = read_attestation(section, "attest").unwrap_or(Attestation::C);
    TrunkStir { check: check.map_or(IdentityCheck::Off, |c| c.value), sign, pass, attest, verstat }
}

/// Whether trunks want what `[stir]` has not.
pub(super) fn check(root: &Section<'_>, sip: &Config) {
    for (name, trunk) in &sip.trunks {
        if trunk.stir.check != IdentityCheck::Off && sip.stir.roots.is_none() {
            let advice = "write `roots` in [stir]";
            root.complain(format!("the trunk `{name}` has `identity_check`, and nobody's word counts: {advice}"));
        }
        if trunk.stir.sign && sip.stir.signing.is_none() {
            let advice = "write `key` and `certificate_url` in [stir]";
            root.complain(format!("the trunk `{name}` has `sign`, and there is nothing to sign with: {advice}"));
        }
    }
}

/// `[stir]` as it is printed; nothing if there is nothing in it.
pub(super) fn print(stir: &StirFiles) -> String {
    if *stir == StirFiles::default() {
        return String::new();
    }
    let fetch = stir.fetch.as_ref();
    Table::new("[stir]")
        .some("roots", stir.roots.as_ref().map(|p| p.display().to_string()))
        .some("certificates", stir.certificates.as_ref().map(|p| p.display().to_string()))
        .flag("fetch", fetch.is_some())
        .list("fetch_hosts", fetch.iter().flat_map(|f| f.hosts.iter().cloned()))
        .some("fetch_roots", fetch.and_then(|f| f.roots.as_ref()).map(|p| p.display().to_string()))
        .some("key", stir.signing.as_ref().map(|s| s.key.display().to_string()))
        .some("certificate_url", stir.signing.as_ref().map(|s| &s.certificate_url))
        .text("attest_users", stir.attest_users.word())
        .0
}

/// What a trunk says.
pub(super) fn print_trunk(table: Table, stir: TrunkStir) -> Table {
    table
        .text("identity_check", stir.check.word())
        .flag("sign", stir.sign)
        .flag("pass_identity", stir.pass)
        .text("attest", stir.attest.word())
        .flag("verstat", stir.verstat)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn read(text: &str, folder: &Path) -> Result<crate::switch::config::Config, String> {
        crate::switch::config::Config::read("gateway.toml", text, folder).map_err(|p| p.to_string())
    }

    #[test]
    fn a_trunk_verifies_and_signs_with_what_the_file_names() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["roots.pem", "key.pem"] {
            fs::write(folder.path().join(file), "-").unwrap();
        }
        fs::create_dir(folder.path().join("known")).unwrap();
        let trunk = "[[trunk]]\nname = \"carrier\"\naddress = \"192.0.2.1\"\nidentity_check = \"mark\"\nsign = true\n\
                     pass_identity = true\nattest = \"B\"\nverstat = true\n";
        let stir = "sip.listen = [\"udp:127.0.0.1:5060\"]\n[stir]\nroots = \"roots.pem\"\ncertificates = \"known\"\n\
                    key = \"key.pem\"\ncertificate_url = \"https://example.org/c.pem\"\nfetch = true\n\
                    fetch_hosts = [\"Certs.example.org\"]\nfetch_roots = \"roots.pem\"\nattest_users = \"C\"\n";
        let config = read(&format!("{stir}{trunk}"), folder.path()).unwrap();
        let (check, attest) = (IdentityCheck::Mark, Attestation::B);
        let expected = TrunkStir { check, sign: true, pass: true, attest, verstat: true };
        assert_eq!(config.sip.trunks["carrier"].stir, expected);
        assert_eq!(config.sip.stir.roots.as_deref(), Some(folder.path().join("roots.pem").as_path()));
        assert_eq!(config.sip.stir.attest_users, Attestation::C);
        assert_eq!(config.sip.stir.fetch.as_ref().unwrap().hosts, ["certs.example.org"]);
        let again = read(&config.to_toml(), folder.path()).unwrap();
        assert_eq!((again.sip.stir, again.sip.trunks["carrier"].stir), (config.sip.stir, expected));

        let alone = read(&format!("sip.listen = [\"udp:127.0.0.1:5060\"]\n{trunk}"), folder.path()).unwrap_err();
        assert!(alone.contains("write `roots` in [stir]") && alone.contains("`key` and `certificate_url`"), "{alone}");
        let idle = read(&stir.replace("fetch = true\n", ""), folder.path()).unwrap_err();
        assert!(idle.contains("write `fetch = true`"), "{idle}");
        let plain = read(&stir.replace("https:", "http:"), folder.path()).unwrap_err();
        assert!(plain.contains("certificate_url"), "{plain}");
    }
}
