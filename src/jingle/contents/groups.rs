//! Streams that belong together.

use super::slots::{Slots, is_content};
use crate::jingle::stanza::grouping::Group as Said;
use crate::model::{Description, Group};

/// The streams of a description that share one transport (RFC 9143).
pub(super) const BUNDLE: &str = "BUNDLE";

/// Adds the groups of a stanza to those of a description. A group of the same semantics that has a content in common
/// is the same group, grown.
pub(super) fn read(said: &[Said], slots: &Slots, groups: &mut Vec<Group>) {
    for said in said {
        let slot = |name: &String| slots.0.iter().rfind(|s| &s.name == name).and_then(|s| s.mid.clone());
        let mut mids = Vec::new();
        for mid in said.contents.iter().filter_map(slot) {
            if !mids.contains(&mid) {
                mids.push(mid);
            }
        }
        let same = |g: &&mut Group| g.semantics == said.semantics && g.mids.iter().any(|m| mids.contains(m));
        match groups.iter_mut().find(same) {
            Some(group) => mids.into_iter().for_each(|mid| {
                if !group.mids.contains(&mid) {
                    group.mids.push(mid);
                }
            }),
            None if mids.is_empty() => {}
            None => groups.push(Group { semantics: said.semantics.clone(), mids }),
        }
    }
}

/// Leaves in an answer the groups that were offered, of the streams that were accepted (RFC 9143 §7.3).
pub(super) fn answer(answer: &mut Description, offered: &Description) {
    let accepted: Vec<_> = answer.streams.iter().filter(|s| s.accepted).filter_map(|s| s.mid.clone()).collect();
    answer.groups.retain_mut(|group| {
        group.mids.retain(|mid| {
            let offered = offered.groups.iter().any(|o| o.semantics == group.semantics && o.mids.contains(mid));
            offered && accepted.contains(mid)
        });
        !group.mids.is_empty()
    });
}

/// The groups of the contents that live.
pub(super) fn write(description: &Description, slots: &Slots) -> Vec<Said> {
    let lives = |at: &usize| description.streams.get(*at).is_some_and(is_content);
    let name = |mid| slots.of_mid(mid).filter(lives).and_then(|at| slots.0.get(at)).map(|slot| slot.name.clone());
    let groups = description.groups.iter().map(|group| Said {
        semantics: group.semantics.clone(),
        contents: group.mids.iter().filter_map(name).collect(),
    });
    groups.filter(|group| !group.contents.is_empty()).collect()
}
