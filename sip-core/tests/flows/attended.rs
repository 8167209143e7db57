//! Attended transfer (SIG-7): REFER with Replaces joins the far sides of two calls.

use sip_core::message::Method;
use sip_core::trunk::refer::ReferMode;

use crate::sim::{Agent, CALLEE, CALLER, Phase, SECOND, THIRD, Wire, World};
use crate::transfer::{THIRDS_NUMBER, UDP, media, news, refer, tell_apart, up};

/// What Replaces says of that agent's dialog, for the edge.
pub(crate) fn replaces(world: &World, agent: usize) -> String {
    let dialog = world.agents[agent].dialog.as_ref().expect("a dialog");
    let id = dialog.id();
    format!(
        "{};to-tag={};from-tag={}",
        id.call_id, id.remote_tag, id.local_tag
    )
}

/// The callee's second line talks to the third party.
fn consult(world: &mut World) {
    world.agents[THIRD].manners.invite = Some(200);
    world.tell(SECOND, |agent, now| {
        let invite = agent.new_invite(THIRDS_NUMBER, true);
        agent.send_invite(now, invite);
    });
    world.run_ms(400);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert_eq!(world.agents[THIRD].phase, Phase::Up);
}

#[test]
fn sig_7_an_attended_transfer_joins_the_far_sides_of_two_calls() {
    for wires in [
        UDP,
        [Wire::Srtp, Wire::Tls, Wire::Tls, Wire::Udp],
        [Wire::Udp, Wire::Srtp, Wire::Srtp, Wire::Srtp],
    ] {
        let mut world = up(wires, ReferMode::Local);
        tell_apart(&mut world);
        consult(&mut world);
        let escaped = replaces(&world, SECOND)
            .replace(';', "%3B")
            .replace('=', "%3D");
        let to = format!("<sip:{THIRDS_NUMBER}@203.0.113.1?Replaces={escaped}>");
        refer(&mut world, CALLEE, &to);
        world.run_ms(400);
        assert_eq!(
            news(&world, CALLEE),
            ["SIP/2.0 100 Trying active", "SIP/2.0 200 OK terminated"]
        );
        assert_eq!(world.agents[SECOND].phase, Phase::Over(200), "its BYE");
        world.tell(CALLEE, Agent::hang_up);
        world.run_ms(300);
        assert_eq!(world.caller().phase, Phase::Up);
        assert_eq!(world.agents[THIRD].phase, Phase::Up);
        assert_eq!(
            world.agents[THIRD].requests(&Method::Invite).len(),
            2,
            "the second one within its dialog"
        );
        let ports = [CALLER, THIRD].map(|index| 4000 + 2 * index as u16);
        assert_eq!(media(&world), ports);
        world.tell(THIRD, Agent::hang_up);
        world.run_ms(300);
        assert_eq!(world.caller().phase, Phase::Over(200));
        world.assert_drained(3);
    }
}

#[test]
fn sig_7_an_attended_transfer_to_a_dialog_that_is_not_ours_fails_and_changes_nothing() {
    let mut world = up(UDP, ReferMode::Local);
    consult(&mut world);
    let right = replaces(&world, SECOND);
    // A dialog of another trunk's is none of the referrer's business.
    let others = replaces(&world, CALLER);
    for wrong in [
        right.replace("to-tag=", "to-tag=x"),
        others,
        format!("{right}x"),
    ] {
        let escaped = wrong.replace(';', "%3B").replace('=', "%3D");
        refer(
            &mut world,
            CALLEE,
            &format!("<sip:+300@h?Replaces={escaped}>"),
        );
        let news = news(&world, CALLEE);
        let last = news.last().expect("NOTIFY");
        assert!(last.starts_with("SIP/2.0 481"), "{wrong}: {last}");
    }
    let phases: Vec<Phase> = world.agents.iter().map(|agent| agent.phase).collect();
    assert_eq!(phases, [Phase::Up; 4]);
    world.tell(CALLER, Agent::hang_up);
    world.tell(SECOND, Agent::hang_up);
    world.assert_drained(2);
}
