use std::time::Duration;

use super::{End, Stage, Step, Trail};
use crate::refusal::Code;

#[test]
fn a_step_takes_from_the_end_of_the_one_before_and_never_less_than_nothing() {
    let ms = Duration::from_millis;
    let mut trail = Trail::begin(ms(10));
    let refused = End::Refused(Code::Forbidden);
    for (stage, end, at) in
        [(Stage::Route, End::Passed, 12), (Stage::Guard, End::Skipped, 11), (Stage::Identify, refused, 15)]
    {
        trail.step(stage, end, ms(at));
    }
    let step = |stage, took, end| Step { stage, took: ms(took), end };
    let expected =
        [step(Stage::Route, 2, End::Passed), step(Stage::Guard, 0, End::Skipped), step(Stage::Identify, 4, refused)];
    assert_eq!(trail.steps(), expected);
}

#[test]
fn has_room_for_every_stage_from_the_start() {
    let trail = Trail::begin(Duration::ZERO);
    assert!(trail.steps.capacity() >= 9);
}
