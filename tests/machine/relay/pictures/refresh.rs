//! Requests for whole pictures: translated, not too often, and made without being asked where nothing could be shown.

use std::time::Duration;

use patchcord::media::leg::pictures::REFRESH_INTERVAL;
use patchcord::model::{RelayCommand, RelayEvent};
use patchcord::rtp::rtcp::{Rtcp, Writer, read};

use super::scene::{End, Scene};
use crate::relay::world::{CALL, Speaker, legs};

/// What asks for a whole picture of this source, of what a party got.
fn asked(scene: &mut Scene, party: usize, source: u32) -> Vec<&'static str> {
    let reports = scene.reports(party);
    let word = |packet: Rtcp| match packet {
        Rtcp::PictureLoss { media } if media == source => Some("PLI"),
        Rtcp::FullIntra { media } if media == source => Some("FIR"),
        _ => None,
    };
    reports.iter().flat_map(|compound| read(compound).filter_map(word).collect::<Vec<_>>()).collect()
}

pub fn compound(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut buffer = [0; 200];
    let mut writer = Writer::new(&mut buffer);
    writer.report(50, None, &[]);
    write(&mut writer);
    let length = writer.length();
    buffer[..length].to_vec()
}

pub fn end(feedback: &[&'static str]) -> End {
    End { feedback: feedback.to_vec(), ..End::default() }
}

#[test]
fn who_begins_to_see_gets_a_whole_picture_without_asking_and_so_does_one_whose_source_changes() {
    let mut scene = Scene::talking(End::default(), End::default());
    let mut speaker = Speaker::new(40, 96, 3000);
    for _ in 0..60 {
        scene.show(0, speaker.next(&[1; 100]));
        scene.pass(Duration::from_millis(33));
    }
    assert_eq!(asked(&mut scene, 0, 40), ["PLI"], "once, at the beginning");
    scene.show(0, Speaker::new(41, 96, 3000).next(&[1; 100]));
    scene.pass(Duration::from_millis(33));
    assert_eq!(asked(&mut scene, 0, 41), ["PLI"]);
    scene.change(|legs| legs[1].video.as_mut().expect("pictures").sends = false);
    scene.show(0, speaker.next(&[1; 100]));
    scene.change(|legs| legs[1].video.as_mut().expect("pictures").sends = true);
    scene.pass(Duration::from_secs(1));
    scene.show(0, speaker.next(&[1; 100]));
    scene.pass(Duration::from_secs(1));
    assert_eq!(asked(&mut scene, 0, 40), ["PLI"], "the hold is over");
    assert_eq!(scene.stats()[0].video.as_ref().map(|video| video.refreshes_asked), Some(3));
}

#[test]
fn each_way_of_asking_becomes_the_one_that_the_other_side_has_and_goes_out_not_too_often() {
    for (has, word) in [(&["nack pli", "ccm fir"][..], "PLI"), (&["ccm fir"], "FIR")] {
        let mut scene = Scene::talking(end(has), end(&["nack pli", "ccm fir"]));
        let mut speaker = Speaker::new(40, 96, 3000);
        scene.show(0, speaker.next(&[1; 100]));
        scene.pass(REFRESH_INTERVAL * 3);
        assert_eq!(asked(&mut scene, 0, 40), [word]);
        let pli = compound(|writer| assert!(writer.picture_loss(50, 1)));
        let fir = compound(|writer| assert!(writer.full_intra(50, 1, 7)));
        for compound in [&pli, &fir, &pli, &fir] {
            scene.report(1, compound.clone());
            scene.pass(REFRESH_INTERVAL / 10);
        }
        assert_eq!(asked(&mut scene, 0, 40), [word], "at once, and once");
        scene.pass(REFRESH_INTERVAL);
        assert_eq!(asked(&mut scene, 0, 40), [word], "what came too early is asked for later");
        scene.pass(REFRESH_INTERVAL * 4);
        assert_eq!(asked(&mut scene, 0, 40).len(), 0);
        let figures = scene.stats().map(|leg| leg.video.expect("pictures"));
        assert_eq!((figures[0].refreshes_asked, figures[1].refreshes_wanted), (3, 4));
    }
}

#[test]
fn where_the_one_who_shows_has_no_such_rtcp_the_call_is_told_who_wants_a_picture() {
    let mut scene = Scene::talking(end(&[]), End::default());
    scene.show(0, Speaker::new(40, 96, 3000).next(&[1; 100]));
    scene.pass(REFRESH_INTERVAL * 2);
    let wanted = |event: &RelayEvent| matches!(event, RelayEvent::RefreshWanted { leg, .. } if *leg == legs().1);
    assert_eq!(scene.world.take_events().iter().filter(|e| wanted(e)).count(), 1);
    scene.report(1, compound(|writer| assert!(writer.picture_loss(50, 1))));
    scene.report(1, compound(|writer| assert!(writer.picture_loss(50, 1))));
    scene.pass(Duration::from_millis(2));
    assert_eq!(scene.world.take_events().iter().filter(|e| wanted(e)).count(), 1);
    assert!(asked(&mut scene, 0, 40).is_empty());
}

#[test]
fn the_call_can_have_a_peer_asked() {
    let mut scene = Scene::talking(End::default(), End::default());
    scene.show(0, Speaker::new(40, 96, 3000).next(&[1; 100]));
    scene.pass(REFRESH_INTERVAL * 2);
    asked(&mut scene, 0, 40);
    scene.world.order(RelayCommand::Refresh { call: CALL, leg: legs().0 });
    scene.pass(Duration::from_millis(2));
    assert_eq!(asked(&mut scene, 0, 40), ["PLI"]);
}
