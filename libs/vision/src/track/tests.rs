use super::*;
use std::collections::BTreeSet;

const FRAME: Duration = Duration::from_millis(40);

fn person(x: f32, y: f32) -> Detection {
    Detection { rect: Rect { x, y, width: 60.0, height: 180.0 }, score: 0.9, class: 0 }
}

fn unsure(detection: Detection) -> Detection {
    Detection { score: 0.15, ..detection }
}

fn tracker() -> Tracker {
    Tracker::new(TrackerConfig::default())
}

/// Plays frames `FRAME` apart and gives the names of each.
fn play(
    tracker: &mut Tracker,
    frames: u32,
    scene: impl Fn(u32) -> Vec<Detection>,
) -> Vec<Vec<Option<TrackId>>> {
    (0..frames).map(|frame| tracker.update(frame * FRAME, &scene(frame))).collect()
}

/// All the names that the detections at `index` had.
fn ids(names: &[Vec<Option<TrackId>>], index: usize) -> BTreeSet<u64> {
    names.iter().filter_map(|frame| Some((*frame.get(index)?)?.0)).collect()
}

#[test]
fn a_name_comes_with_the_second_frame_and_stays() {
    let names = play(&mut tracker(), 100, |frame| vec![person(frame as f32 * 4.0, 50.0)]);
    assert_eq!(names[0], [None]);
    assert!(names[1..].iter().all(|frame| frame == &[Some(TrackId(1))]), "{names:?}");
}

#[test]
fn a_detection_that_flickers_gets_no_name() {
    let names =
        play(&mut tracker(), 60, |frame| if frame % 3 == 0 { vec![person(0.0, 0.0)] } else { vec![] });
    assert_eq!(ids(&names, 0), BTreeSet::new());
}

#[test]
fn people_who_cross_keep_their_names() {
    let scene = |frame: u32| {
        let step = frame as f32 * 5.0;
        vec![person(step, 50.0), person(500.0 - step, 70.0)]
    };
    let names = play(&mut tracker(), 100, scene);
    assert_eq!((ids(&names, 0).len(), ids(&names, 1).len()), (1, 1));
    assert_ne!(ids(&names, 0), ids(&names, 1));
}

#[test]
fn people_who_cross_behind_one_another_keep_their_names() {
    let hidden = |frame: u32| (45..=55).contains(&frame);
    let scene = |frame: u32| {
        let step = frame as f32 * 5.0;
        let back = (!hidden(frame)).then(|| person(500.0 - step, 60.0));
        std::iter::once(person(step, 50.0)).chain(back).collect()
    };
    let names = play(&mut tracker(), 100, scene);
    assert_eq!((ids(&names, 0).len(), ids(&names, 1).len()), (1, 1), "{names:?}");
    assert_ne!(ids(&names, 0), ids(&names, 1));
}

/// One stands, one passes behind; where they overlap there is one box around both. The name of that box first.
fn merged(config: TrackerConfig) -> (BTreeSet<u64>, BTreeSet<u64>, BTreeSet<u64>) {
    let around = |a: Rect, b: Rect| {
        Rect::from_corners(a.x.min(b.x), a.y.min(b.y), a.right().max(b.right()), a.bottom().max(b.bottom()))
    };
    let scene = |frame: u32| {
        let (stands, passes) = (person(200.0, 50.0), person(400.0 - 4.0 * frame as f32, 38.0));
        let apart = (stands.rect.x - passes.rect.x).abs();
        let both = Detection { rect: around(stands.rect, passes.rect), ..stands };
        if apart < 30.0 { vec![both] } else { vec![stands, passes] }
    };
    let names = play(&mut Tracker::new(config), 100, scene);
    let (one, two): (Vec<_>, Vec<_>) = names.into_iter().partition(|frame| frame.len() == 1);
    (ids(&one, 0), ids(&two, 0), ids(&two, 1))
}

#[test]
fn one_box_around_two_is_the_nearer_ones() {
    let (both, stands, passes) = merged(TrackerConfig::default());
    assert_eq!((both, stands, passes), ([1].into(), [1].into(), [2].into()));
    let (both, ..) = merged(TrackerConfig { in_view: 0.0, ..TrackerConfig::default() });
    assert!(both.contains(&2), "{both:?}");
}

#[test]
fn who_turns_round_out_of_sight_keeps_the_name_within_reach() {
    let names_after = |x: f32, y: f32| {
        let mut tracker = tracker();
        play(&mut tracker, 30, |frame| vec![person(4.0 * frame as f32, 50.0)]);
        let back = |frame: u32| tracker.update((70 + frame) * FRAME, &[person(x, y)])[0];
        (0..3).map(back).collect::<Vec<_>>()
    };
    assert_eq!(names_after(110.0, 50.0), [Some(TrackId(1)); 3], "expected at 270");
    let new = [None, Some(TrackId(2)), Some(TrackId(2))];
    assert_eq!(names_after(800.0, 50.0), new, "nobody is that fast");
    assert_eq!(names_after(110.0, 140.0), new, "nor comes so much nearer");
}

#[test]
fn the_half_hidden_one_keeps_the_name_with_the_low_score() {
    // Side by side, and from frame 20 on where the other one was just now.
    let scene = |frame: u32| {
        let side = if frame < 20 { 0.0 } else { 12.5 };
        vec![person(side, 50.0), Detection { score: 0.5, ..person(24.0 - side, 50.0) }]
    };
    let names = play(&mut tracker(), 30, scene);
    assert_eq!((ids(&names, 0), ids(&names, 1)), ([1].into(), [2].into()), "{names:?}");
}

#[test]
fn a_second_box_of_somebody_gets_no_name_of_its_own() {
    let at = |x, score| Detection { score, ..person(x, 0.0) };
    let mut tracker = tracker();
    play(&mut tracker, 10, |_| vec![at(0.0, 0.9)]);
    for frame in 10..20 {
        let names = tracker.update(frame * FRAME, &[at(0.0, 0.9), at(12.0, 0.7), at(300.0, 0.5)]);
        assert_eq!(names[1], None);
        assert_eq!(names[2].is_some(), frame > 10, "away from others, a lower score will do");
    }
}

#[test]
fn who_is_taller_is_somebody_else() {
    let near = Detection { rect: Rect { x: 0.0, y: 0.0, width: 90.0, height: 270.0 }, ..person(0.0, 0.0) };
    let overlap = |other: &Rect| upright_overlap(&person(0.0, 0.0).rect, other);
    assert_eq!(overlap(&person(0.0, 0.0).rect), 1.0);
    assert!(overlap(&near.rect) < near.rect.iou(&person(0.0, 0.0).rect));
    assert_eq!(overlap(&person(0.0, 400.0).rect), 0.0);
}

#[test]
fn a_gap_keeps_the_name_while_memory_lasts() {
    let returns = |gap: u32| {
        let scene = |frame: u32| {
            let walking = vec![person(frame as f32 * 3.0, 50.0)];
            if (30..30 + gap).contains(&frame) { vec![] } else { walking }
        };
        ids(&play(&mut tracker(), 200, scene), 0).len()
    };
    assert_eq!(returns(25), 1);
    assert_eq!(returns(74), 1);
    assert_eq!(returns(75), 2);
}

#[test]
fn a_gap_of_time_counts_like_one_of_frames() {
    let second_name = |pause: Duration| {
        let mut tracker = tracker();
        let mut now = Duration::ZERO;
        for _ in 0..10 {
            tracker.update(now, &[person(0.0, 0.0)]);
            now += FRAME;
        }
        now += pause;
        tracker.update(now, &[person(0.0, 0.0)])[0]
    };
    assert_eq!(second_name(Duration::from_secs(2)), Some(TrackId(1)));
    assert_eq!(second_name(Duration::from_secs(3)), None);
}

#[test]
fn uneven_frames_are_followed_by_time() {
    let mut tracker = tracker();
    let times: Vec<_> = (0..400_u64).filter(|time| time % 7 < 3 || time % 31 == 0).collect();
    let mut names = Vec::new();
    for &time in &times {
        let now = Duration::from_millis(20 * time);
        names.push(tracker.update(now, &[person(300.0 * now.as_secs_f32(), 0.0)]));
    }
    assert_eq!(ids(&names, 0).len(), 1);
}

#[test]
fn who_comes_later_gets_a_name_of_their_own() {
    let scene = |frame: u32| {
        let late = (frame >= 20).then(|| person(400.0, 50.0));
        std::iter::once(person(0.0, 50.0)).chain(late).collect()
    };
    let names = play(&mut tracker(), 40, scene);
    assert_eq!((ids(&names, 0), ids(&names, 1)), ([1].into(), [2].into()));
}

#[test]
fn unsure_detections_keep_a_track_but_begin_none() {
    let sure_first = |frame: u32| {
        let detection = person(frame as f32 * 3.0, 0.0);
        vec![if frame < 10 { detection } else { unsure(detection) }]
    };
    let names = play(&mut tracker(), 200, sure_first);
    assert!(names[1..].iter().all(|frame| frame == &[Some(TrackId(1))]));
    let names = play(&mut tracker(), 20, |_| vec![unsure(person(0.0, 0.0))]);
    assert_eq!(ids(&names, 0), BTreeSet::new());
}

#[test]
fn unsure_detections_bring_nobody_back() {
    let scene = |frame: u32| match frame {
        0..10 => vec![person(0.0, 0.0)],
        10..15 => vec![],
        _ => vec![unsure(person(0.0, 0.0))],
    };
    let names = play(&mut tracker(), 20, scene);
    assert_eq!((names[9][0], names[15][0]), (Some(TrackId(1)), None));
}

#[test]
fn classes_are_kept_apart_unless_asked_not_to() {
    let scene = |frame: u32| vec![Detection { class: (frame / 10) as usize, ..person(0.0, 0.0) }];
    let count = |class_agnostic| {
        let config = TrackerConfig { class_agnostic, ..TrackerConfig::default() };
        ids(&play(&mut Tracker::new(config), 20, scene), 0).len()
    };
    assert_eq!((count(false), count(true)), (2, 1));
}

#[test]
fn the_order_of_detections_does_not_matter() {
    let at = |n: u32, frame: u32| {
        let (n, step) = (n as f32, (frame * (n % 3)) as f32);
        person(n * 45.0 + step * 2.0, n * 7.0 % 40.0)
    };
    let scene = |frame: u32| (0..12).map(|n| at(n, frame)).collect::<Vec<_>>();
    let straight = play(&mut tracker(), 60, scene);
    let turned = play(&mut tracker(), 60, |frame| {
        let mut detections = scene(frame);
        detections.rotate_left((frame as usize + 5) % 12);
        detections
    });
    for (frame, (a, mut b)) in straight.into_iter().zip(turned).enumerate() {
        b.rotate_right((frame + 5) % 12);
        assert_eq!(a, b, "frame {frame}");
    }
}

#[test]
fn what_cannot_be_followed_has_no_name() {
    let odd = [
        Detection { rect: Rect { x: f32::NAN, ..person(0.0, 0.0).rect }, ..person(0.0, 0.0) },
        Detection { rect: Rect { width: 0.0, ..person(0.0, 0.0).rect }, ..person(0.0, 0.0) },
        Detection { score: f32::NAN, ..person(0.0, 0.0) },
        Detection { score: 0.05, ..person(0.0, 0.0) },
    ];
    let names = play(&mut tracker(), 5, |_| odd.to_vec());
    assert_eq!(names[4], [None; 4]);
}

#[test]
fn names_are_never_given_twice() {
    let mut tracker = tracker();
    play(&mut tracker, 3, |_| vec![person(0.0, 0.0)]);
    tracker.reset();
    assert_eq!(play(&mut tracker, 3, |_| vec![person(0.0, 0.0)])[2], [Some(TrackId(2))]);
    assert_eq!(play(&mut tracker, 3, |_| vec![person(0.0, 0.0)])[2], [Some(TrackId(3))], "time went back");
}

#[test]
fn nothing_grows_in_a_hundred_thousand_frames() {
    let mut tracker = tracker();
    for frame in 0..100_000_u32 {
        let visitor = person((frame / 7 % 11) as f32 * 100.0, (frame / 7 % 3) as f32 * 200.0);
        tracker.update(frame * FRAME, &[person(1500.0, 0.0), visitor]);
        assert!(tracker.tracks.len() <= 13, "{}", tracker.tracks.len());
    }
    assert!(tracker.tracks.capacity() <= 64);
}
