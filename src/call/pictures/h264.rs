//! What two descriptions of H.264 have in common (RFC 6184 §8.1, §8.2.2).

/// Levels as numbers that grow with them: ten times the level, and level 1b between 1.0 and 1.1.
const LEVEL_1B: u8 = 10;

/// A profile, by what a decoder of it must be able to do (RFC 6184 §8.1, table 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    ConstrainedHigh,
    High,
    /// Any other, by its `profile_idc` and constraints.
    Other(u8, u8),
}

/// A `profile-level-id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProfileLevel {
    profile: Profile,
    level: u8,
}

impl ProfileLevel {
    /// Reads six hexadecimal digits: `profile_idc`, the constraints, `level_idc`.
    fn read(text: &str) -> Option<ProfileLevel> {
        if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let octet = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        let (idc, constraints, level) = (octet(0)?, octet(2)?, octet(4)?);
        let set = |n: u8| constraints & (0x80 >> n) != 0;
        let profile = match (idc, set(0), set(1), set(2)) {
            (0x42, _, true, _) | (0x4d, true, _, _) | (0x58, true, true, _) => Profile::ConstrainedBaseline,
            (0x42, _, false, _) | (0x58, true, false, _) => Profile::Baseline,
            (0x4d, false, _, _) => Profile::Main,
            (0x58, false, _, _) => Profile::Extended,
            (0x64, ..) if constraints & 0x0c == 0x0c => Profile::ConstrainedHigh,
            (0x64, ..) => Profile::High,
            _ => Profile::Other(idc, constraints),
        };
        // §8.1: level 1b is level_idc 11 with constraint_set3, or level_idc 9.
        let is_1b = level == 9 || (level == 11 && set(3) && matches!(idc, 0x42 | 0x4d | 0x58));
        let level = match level {
            _ if is_1b => LEVEL_1B,
            10 => LEVEL_1B - 1,
            other => other,
        };
        Some(ProfileLevel { profile, level })
    }

    /// Of a format; one that says nothing is Baseline at level 1 (§8.1).
    fn of(parameters: Option<&str>) -> Option<ProfileLevel> {
        ProfileLevel::read(parameter(parameters, "profile-level-id").unwrap_or("42000A"))
    }
}

/// The value of one of the parameters.
pub fn parameter<'a>(parameters: Option<&'a str>, name: &str) -> Option<&'a str> {
    parameters?.split(';').find_map(|p| {
        let (known, value) = p.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn mode(parameters: Option<&str>) -> &str {
    parameter(parameters, "packetization-mode").unwrap_or("0")
}

fn allows_asymmetry(parameters: Option<&str>) -> bool {
    parameter(parameters, "level-asymmetry-allowed") == Some("1")
}

/// Whether the two are one format: the same packetization mode and the same profile, at whatever level (§8.2.2).
pub fn fits(one: Option<&str>, other: Option<&str>) -> bool {
    let profile = |p| ProfileLevel::of(p).map(|p| p.profile);
    mode(one) == mode(other) && profile(one).is_some() && profile(one) == profile(other)
}

/// Whether `wide` is Baseline in the mode in which `narrow` is Constrained Baseline, which every decoder of Baseline
/// understands (§8.1, table 5).
pub fn is_wider(wide: Option<&str>, narrow: Option<&str>) -> bool {
    let profile = |p| ProfileLevel::of(p).map(|p| p.profile);
    let profiles = (profile(wide), profile(narrow));
    mode(wide) == mode(narrow) && profiles == (Some(Profile::Baseline), Some(Profile::ConstrainedBaseline))
}

/// The same parameters with Constrained Baseline for a profile of Baseline.
pub fn constrained(parameters: Option<&str>) -> Option<String> {
    let said = parameter(parameters, "profile-level-id").unwrap_or("42000A");
    let octet = |at: usize| u8::from_str_radix(said.get(at..at + 2)?, 16).ok();
    let (constraints, level) = (octet(2)?, octet(4)?);
    // Constrained is the Baseline of `profile_idc` 66 with constraint_set1 beside its own constraint_set0.
    let narrow = format!("profile-level-id=42{:02x}{level:02x}", constraints | 0xc0);
    let others = parameters.into_iter().flat_map(|p| p.split(';')).map(str::trim);
    let others = others.filter(|p| !p.is_empty() && !p.to_ascii_lowercase().starts_with("profile-level-id"));
    Some(std::iter::once(narrow.as_str()).chain(others).collect::<Vec<_>>().join(";"))
}

/// The parameters of an answer to `offered`, for a far side that `took` the format with these of its own: the far
/// side's, but for a level that is never above the offered one unless both sides allow that (§8.2.2).
pub fn answer(offered: Option<&str>, took: Option<&str>) -> Option<String> {
    let asymmetry = allows_asymmetry(offered) && allows_asymmetry(took);
    let level = |p| ProfileLevel::of(p).map_or(0, |p| p.level);
    let lower = if asymmetry || level(took) <= level(offered) { took } else { offered };
    let mut said = Vec::new();
    if asymmetry {
        said.push("level-asymmetry-allowed=1".to_owned());
    }
    for (name, of) in [("packetization-mode", offered), ("profile-level-id", lower)] {
        said.extend(parameter(of, name).map(|value| format!("{name}={value}")));
    }
    let is_ours = |p: &&str| {
        let name = p.split('=').next().unwrap_or_default().trim();
        ["level-asymmetry-allowed", "packetization-mode", "profile-level-id", ""]
            .iter()
            .any(|n| name.eq_ignore_ascii_case(n))
    };
    let others = took.into_iter().flat_map(|p| p.split(';')).filter(|p| !is_ours(p)).map(|p| p.trim().to_owned());
    said.extend(others);
    (!said.is_empty()).then(|| said.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(id: &str) -> Option<Profile> {
        ProfileLevel::read(id).map(|p| p.profile)
    }

    #[test]
    fn a_profile_is_known_by_any_of_its_spellings() {
        for id in ["42e01f", "42C01F", "4d801f", "58c01f"] {
            assert_eq!(profile(id), Some(Profile::ConstrainedBaseline), "{id}");
        }
        for id in ["42001f", "42801F", "588014"] {
            assert_eq!(profile(id), Some(Profile::Baseline), "{id}");
        }
        assert_eq!(profile("4d001f"), Some(Profile::Main));
        assert_eq!(profile("640c1f"), Some(Profile::ConstrainedHigh));
        assert_eq!(profile("64001f"), Some(Profile::High));
        for id in ["", "42001", "42001ff", "42 01f", "+2001f", "42001é"] {
            assert_eq!(profile(id), None, "{id}");
        }
    }

    #[test]
    fn level_1b_is_above_1_and_below_1_1() {
        let level = |id: &str| ProfileLevel::read(id).unwrap_or_else(|| panic!("{id}")).level;
        assert!(level("42000a") < level("42100b") && level("42100b") < level("42000b"));
        assert_eq!(level("640009"), level("42f00b"));
    }

    #[test]
    fn mode_and_profile_must_be_the_same_and_the_level_need_not() {
        let fits = |one: &str, other: &str| fits(Some(one), Some(other));
        assert!(fits("packetization-mode=1;profile-level-id=42e01f", "profile-level-id=42C00D; packetization-mode=1"));
        assert!(!fits("packetization-mode=1;profile-level-id=42e01f", "profile-level-id=42e01f"));
        assert!(!fits("profile-level-id=42e01f", "profile-level-id=42001f"));
        assert!(fits("profile-level-id=42000a", "packetization-mode=0"), "nothing said is Baseline in mode 0");
        assert!(!fits("profile-level-id=nonsense", "profile-level-id=nonsense"));
    }

    #[test]
    fn baseline_is_wider_than_its_constrained_form_in_the_same_mode() {
        let wider = |one: &str, other: &str| is_wider(Some(one), Some(other));
        assert!(wider("profile-level-id=42801F", "profile-level-id=42e01f;packetization-mode=0"));
        assert!(!wider("profile-level-id=42801F", "profile-level-id=42e01f;packetization-mode=1"));
        assert!(!wider("profile-level-id=42e01f", "profile-level-id=42801F"));
        assert!(!wider("profile-level-id=4d001f", "profile-level-id=42e01f"));
        let narrow = constrained(Some("packetization-mode=1; profile-level-id=428014;max-fs=99"));
        assert_eq!(narrow.as_deref(), Some("profile-level-id=42c014;packetization-mode=1;max-fs=99"));
        assert_eq!(constrained(None).as_deref(), Some("profile-level-id=42c00a"));
        assert_eq!(constrained(Some("profile-level-id=428")), None);
    }

    #[test]
    fn an_answer_has_the_lower_level_unless_both_sides_allow_two() {
        let answer = |offered: &str, took: &str| answer(Some(offered), Some(took)).unwrap_or_default();
        let both = "level-asymmetry-allowed=1;";
        assert_eq!(answer("profile-level-id=42e01f", "profile-level-id=42e00c"), "profile-level-id=42e00c");
        assert_eq!(answer("profile-level-id=42e00c", "profile-level-id=42e01f"), "profile-level-id=42e00c");
        assert_eq!(
            answer(&format!("{both}profile-level-id=42e00c"), &format!("{both}profile-level-id=42e01f")),
            "level-asymmetry-allowed=1;profile-level-id=42e01f"
        );
        assert_eq!(
            answer(&format!("{both}profile-level-id=42e00c"), "profile-level-id=42e01f"),
            "profile-level-id=42e00c",
            "what one side alone allows is not said"
        );
    }

    #[test]
    fn what_else_the_far_side_says_of_itself_is_passed_on() {
        let took = Some("profile-level-id=42e01f; max-fs=3600;sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==");
        let said = answer(Some("packetization-mode=1;profile-level-id=42e01f;max-br=900"), took);
        let expected =
            "packetization-mode=1;profile-level-id=42e01f;max-fs=3600;sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==";
        assert_eq!(said.as_deref(), Some(expected));
    }
}
