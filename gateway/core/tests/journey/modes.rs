//! Every combination of modes and verdicts: 162 routes, 64 requests each.

use std::fmt::Write as _;
use std::sync::Arc;

use http::Method;
use portcullis_core::refusal::Code;
use portcullis_core::request::DeclaredBody;
use portcullis_core::trail::{End, Stage};

use crate::ground::{Asked, Files, Ground, Says};
use crate::{refusal, travel};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Enforce,
    Shadow,
    Off,
}

const MODES: [Mode; 3] = [Mode::Enforce, Mode::Shadow, Mode::Off];

#[derive(Clone, Copy, Debug)]
struct Plan {
    guard: Mode,
    limit: Mode,
    validate: Mode,
    authorize: Mode,
    authorize_body: bool,
}

fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for at in 0..162 {
        let mode = |power: usize| MODES[at / power % 3];
        plans.push(Plan {
            guard: mode(1),
            limit: mode(3),
            validate: mode(9),
            authorize: mode(27),
            authorize_body: at >= 81,
        });
    }
    plans
}

fn compiled(plans: &[Plan]) -> Files {
    let word = |mode: Mode| format!("{mode:?}").to_lowercase();
    let mut routes = String::new();
    let mut actions = String::new();
    for (at, plan) in plans.iter().enumerate() {
        let (guard, limit) = (word(plan.guard), word(plan.limit));
        let (validate, authorize, with_body) = (word(plan.validate), word(plan.authorize), plan.authorize_body);
        let _ = write!(
            routes,
            "[[routes]]\nname = \"r{at}\"\nmatch = \"POST /{at}\"\nupstream = \"app\"\nauthenticate = [\"jwt\"]\n\
             body_schema = \"order.json\"\nauthorize_body = {with_body}\nlimits = [{{ by = \"principal\", rate = \"9/min\" }}]\n\
             parameters = [{{ in = \"query\", name = \"n\", schema = {{ type = \"integer\" }} }}]\n\
             guard = {{ mode = \"{guard}\", failures = \"1000000000/s\" }}\nlimit = {{ mode = \"{limit}\" }}\nvalidate = {{ mode = \"{validate}\" }}\n\
             authorize = {{ mode = \"{authorize}\" }}\n",
        );
        let context = if with_body { ", context: { body?: { quantity: Long } }" } else { "" };
        let _ = write!(actions, "action \"r{at}\" appliesTo {{ principal: [User], resource: [App]{context} }};");
    }
    Files::new(&routes, "permit (principal in Group::\"demo|writers\", action, resource);", &actions)
}

/// One bit for each way to be refused.
#[expect(clippy::struct_excessive_bools, reason = "all combinations are meant")]
#[derive(Clone, Copy, Debug)]
struct Bad {
    address: bool,
    token: bool,
    quota: bool,
    query: bool,
    group: bool,
    body: bool,
}

/// What must come out: the refusal, or a permit, and what was waived before.
struct Fate {
    turned: Option<(Stage, Code)>,
    waived: Vec<(Stage, Code)>,
}

fn expected(plan: Plan, bad: Bad) -> Fate {
    let guard = (Stage::Guard, plan.guard, bad.address, Code::RateLimited);
    let identify = (Stage::Identify, Mode::Enforce, bad.token, Code::InvalidToken);
    let limit = (Stage::Limit, plan.limit, bad.quota, Code::RateLimited);
    let parameters = (Stage::Parameters, plan.validate, bad.query, Code::InvalidParameter);
    let body = (Stage::Body, plan.validate, bad.body, Code::InvalidJson);
    // What cannot be read cannot be asked about.
    let blind = plan.authorize_body && bad.body;
    let code = if blind { Code::PolicyError } else { Code::Forbidden };
    let authorize = (Stage::Authorize, plan.authorize, bad.group || blind, code);
    let order = if plan.authorize_body {
        [guard, identify, limit, parameters, body, authorize]
    } else {
        [guard, identify, limit, parameters, authorize, body]
    };
    let mut waived = Vec::new();
    for (stage, mode, fails, code) in order {
        match (fails, mode) {
            (true, Mode::Enforce) => return Fate { turned: Some((stage, code)), waived },
            (true, Mode::Shadow) => waived.push((stage, code)),
            (true, Mode::Off) | (false, _) => {}
        }
    }
    Fate { turned: None, waived }
}

#[test]
fn permits_only_what_no_enforced_stage_refuses() {
    let plans = plans();
    let snapshot = compiled(&plans).compile();
    let mut permits = 0;
    for (address, quota) in [(false, false), (false, true), (true, false), (true, true)] {
        let ground = Ground::new(Arc::new(Says(!address)), Arc::new(Says(!quota)));
        for (at, plan) in plans.iter().enumerate() {
            for bits in 0..16 {
                let bit = |n: u32| bits >> n & 1 == 1;
                let bad = Bad { address, quota, token: bit(0), query: bit(1), group: bit(2), body: bit(3) };
                let token = match (bad.token, bad.group) {
                    (true, _) => "a.b.c",
                    (false, true) => &ground.stranger,
                    (false, false) => &ground.token,
                };
                let path: &'static str = Box::leak(format!("/{at}").into_boxed_str());
                let mut asked = Asked::new(Method::POST, path).with("content-type", "application/json");
                asked = asked.with("authorization", &format!("Bearer {token}"));
                asked.query = Some(if bad.query { "n=x" } else { "n=1" });
                let body: &[u8] = if bad.body { b"{" } else { b"{\"quantity\":1}" };
                asked.body = DeclaredBody::Length(body.len() as u64);

                let (outcome, trail) = travel(&snapshot, &ground, &asked, body);
                let Fate { turned, waived } = expected(*plan, bad);
                let seen: Vec<_> = trail.would_refuse.iter().map(|(stage, refusal)| (*stage, refusal.code)).collect();
                assert_eq!(seen, waived, "{plan:?} {bad:?}");
                let last = trail.steps().last().unwrap();
                if let Some((stage, code)) = turned {
                    assert_eq!((last.stage, last.end), (stage, End::Refused(code)), "{plan:?} {bad:?}");
                    assert_eq!(trail.refusal.as_ref().map(|refusal| refusal.code), Some(code));
                    assert_eq!(refusal(outcome).code, code);
                } else {
                    assert!(outcome.is_ok() && trail.refusal.is_none(), "{plan:?} {bad:?}");
                    assert_allowed_or_waived(*plan, trail.steps());
                    permits += 1;
                }
            }
        }
    }
    assert!(permits > 0);
}

/// A permit always has its one authorize step, which says why.
fn assert_allowed_or_waived(plan: Plan, steps: &[portcullis_core::trail::Step]) {
    let ends: Vec<End> = steps.iter().filter(|step| step.stage == Stage::Authorize).map(|step| step.end).collect();
    let fits = match (ends.as_slice(), plan.authorize) {
        ([End::Passed], Mode::Enforce | Mode::Shadow) => true,
        ([End::WouldRefuse(_)], mode) => mode == Mode::Shadow,
        ([End::Skipped], mode) => mode == Mode::Off,
        _ => false,
    };
    assert!(fits, "{plan:?} {ends:?}");
}
