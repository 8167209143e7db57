//! The load: a caller and a callee in one thread, calls begun at a given rate whatever becomes of
//! those before (open loop).
//!
//! Every call is INVITE, 180, 200 [`RING`] later, ACK, BYE, 200, with SDP both ways. It is whole if both
//! ends have seen all of it, each in the order of its own messages. Both ends send again what is
//! not answered, as RFC 3261 has it for UDP, so a lost datagram alone fails no call.

use std::collections::VecDeque;
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::ClientConfig;

use super::call::Call;
use super::caller_link::{CallerLink, Place, SIP_PORT};
use super::datagrams::Datagrams;
use super::load::{Load, Outcome};
use super::messages::{Answers, Requests, Run, call_of};
use super::scenario::Scenario;
use super::wire::{Received, find};
use crate::media::lab::{Lab, MEDIA, SINK};
use crate::media::measure::go_on;
use crate::media::sys::{monotonic, thread_cpu_time};

/// From INVITE to 200 at the callee.
pub const RING: Duration = Duration::from_millis(20);
/// How long a call may take beyond ringing and talking.
pub const PATIENCE: Duration = Duration::from_secs(4);
/// When there is nothing to do. Nobody has to wake the generator: a contender pays for no wake-up.
const PAUSE: Duration = Duration::from_micros(40);
/// Calls that are begun before answers are looked at.
const BURST: usize = 32;
/// Between looks at what is to be sent again.
const SWEEP_EVERY: Duration = Duration::from_millis(50);

pub struct Generator {
    caller: CallerLink,
    callee: Datagrams,
    requests: Requests,
    answers: Answers,
    scenario: Scenario,
    run: Run,
    /// By number.
    calls: Vec<Call>,
    /// All before are over.
    oldest: usize,
    /// When the callee answers, when the caller hangs up; both in order.
    ringing: VecDeque<(Duration, u32)>,
    talking: VecDeque<(Duration, u32)>,
    /// `None`: nobody hangs up.
    talk: Option<Duration>,
    established: u64,
    over: u64,
    next_sweep: Duration,
    /// Where the edge takes the media of the call that was answered last.
    answered_port: Option<u16>,
    outcome: Outcome,
}

impl Generator {
    /// Opens its sockets in the lab, and connections to the edge for [`Scenario::TlsSrtp`].
    pub fn to_edge(
        lab: &Lab,
        scenario: Scenario,
        tls: &Arc<ClientConfig>,
        run: Run,
    ) -> Result<Generator> {
        let caller = match scenario {
            Scenario::Udp => CallerLink::udp(lab, SocketAddrV4::new(MEDIA[0], SIP_PORT))?,
            Scenario::TlsSrtp => CallerLink::tls(lab, tls)?,
        };
        Generator::new(lab, scenario, caller, run)
    }

    /// Caller against callee: nothing in between but links and, in the edge, IP forwarding.
    pub fn back_to_back(lab: &Lab, run: Run) -> Result<Generator> {
        let caller = CallerLink::udp(lab, SocketAddrV4::new(SINK, SIP_PORT))?;
        Generator::new(lab, Scenario::Udp, caller, run)
    }

    fn new(lab: &Lab, scenario: Scenario, caller: CallerLink, run: Run) -> Result<Generator> {
        let callee = lab
            .sink
            .enter(|| UdpSocket::bind((SINK, SIP_PORT)))?
            .context("binding the callee's socket")?;
        Ok(Generator {
            caller,
            callee: Datagrams::new(callee)?,
            requests: Requests::new(scenario, run),
            answers: Answers::new(),
            scenario,
            run,
            calls: Vec::new(),
            oldest: 0,
            ringing: VecDeque::new(),
            talking: VecDeque::new(),
            talk: None,
            established: 0,
            over: 0,
            next_sweep: Duration::ZERO,
            answered_port: None,
            outcome: Outcome::default(),
        })
    }

    /// The port in the last answer that the caller got.
    pub fn answered_port(&self) -> Option<u16> {
        self.answered_port
    }

    /// Makes whole calls, and waits until all are over or out of time.
    pub fn run(&mut self, load: &Load) -> Result<Outcome> {
        self.talk = Some(load.talk);
        self.outcome = Outcome::default();
        let (begun, cpu) = (monotonic(), thread_cpu_time());
        let total = (load.rate * load.time.as_secs_f64()) as usize;
        let over = self.over + total as u64;
        // In steady state calls end as fast as they begin, that much later.
        let lag = RING + load.talk;
        let mut halves =
            [begun + load.time / 2 + lag, begun + load.time + lag].map(|at| (at, None));
        let mut started = 0;
        loop {
            go_on()?;
            let now = monotonic();
            for (at, completed) in &mut halves {
                if completed.is_none() && now >= *at {
                    *completed = Some(self.outcome.completed);
                }
            }
            let is_late = now > begun + load.time + lag + PATIENCE;
            let is_done = started == total && self.over >= over && now >= halves[1].0;
            if is_late || is_done {
                break;
            }
            let due = ((now - begun).as_secs_f64() * load.rate) as usize + 1;
            let step = due.min(total).saturating_sub(started).min(BURST);
            self.begin(now, step)?;
            started += step;
            self.step(now, step > 0)?;
        }
        let wall = monotonic() - begun;
        let [half, end] = halves.map(|(_, completed)| completed.unwrap_or_default());
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.offered = total as u64;
        outcome.kept_up = (end - half) as f64 / (load.rate * load.time.as_secs_f64() / 2.0);
        outcome.busy = (thread_cpu_time() - cpu).as_secs_f64() / wall.as_secs_f64();
        self.forget_rest();
        Ok(outcome)
    }

    /// Sets up calls that stay; how many did.
    pub fn establish(&mut self, count: usize, rate: f64) -> Result<u64> {
        self.talk = None;
        self.outcome = Outcome::default();
        let begun = monotonic();
        let time = Duration::from_secs_f64(count as f64 / rate);
        let (mut started, before) = (0, self.established);
        loop {
            go_on()?;
            let now = monotonic();
            let is_done = self.established - before == count as u64;
            if is_done || now > begun + time + RING + PATIENCE {
                break;
            }
            let due = ((now - begun).as_secs_f64() * rate) as usize + 1;
            let step = due.min(count).saturating_sub(started).min(BURST);
            self.begin(now, step)?;
            started += step;
            self.step(now, step > 0)?;
        }
        Ok(self.established - before)
    }

    /// Hangs up every call that stays, and waits until all are over or out of time.
    pub fn clear(&mut self) -> Result<()> {
        let begun = monotonic();
        for (number, call) in self.calls.iter().enumerate() {
            if !call.is_over {
                self.talking.push_back((begun, number as u32));
            }
        }
        while self.over < self.calls.len() as u64 && monotonic() < begun + PATIENCE {
            go_on()?;
            self.step(monotonic(), false)?;
        }
        Ok(())
    }

    fn begin(&mut self, now: Duration, count: usize) -> Result<()> {
        for _ in 0..count {
            let number = self.calls.len() as u32;
            let mut call = Call::new(now);
            if self.caller.is_unreliable() {
                call.caller_again.start(now);
            }
            self.calls.push(call);
            let requests = &self.requests;
            self.caller
                .put(number, |out| requests.invite(out, number))?;
        }
        Ok(())
    }

    /// Everything that is due, then rest if there was nothing.
    fn step(&mut self, now: Duration, has_begun: bool) -> Result<()> {
        self.callee.flush()?;
        self.caller.flush()?;
        let mut message = Vec::new();
        let at_callee = self.callee.receive()?;
        for at in 0..at_callee {
            let from = self.callee.take(at, &mut message);
            self.at_callee(now, &message, from);
        }
        self.callee.flush()?;
        self.caller.receive()?;
        let mut at_caller = 0;
        let mut place = Place::default();
        while self.caller.take(&mut place, &mut message) {
            at_caller += 1;
            self.at_caller(now, &message)?;
        }
        self.answer_those_due(now);
        self.hang_up_those_due(now)?;
        self.caller.flush()?;
        self.callee.flush()?;
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_EVERY;
            self.send_again(now)?;
        }
        if !has_begun && at_callee == 0 && at_caller == 0 {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn at_callee(&mut self, now: Duration, message: &[u8], from: SocketAddrV4) {
        let Some(received) = Received::cut(message) else {
            return;
        };
        let is_ack = message.starts_with(b"ACK ");
        if message.starts_with(b"SIP/2.0 ") {
            return;
        }
        let number = call_of(&received, self.run);
        let call = number.and_then(|number| self.calls.get_mut(number as usize));
        let (Some(number), Some(call)) = (number, call) else {
            // OPTIONS, and what is left of runs before.
            if !is_ack {
                self.callee
                    .put(from, |out| self.answers.done(out, &received));
            }
            return;
        };
        if message.starts_with(b"INVITE ") {
            self.invited(now, number, &received, from);
        } else if is_ack {
            call.is_acked = true;
            call.callee_again.stop();
            self.look(number);
        } else {
            call.is_hung_up = true;
            self.callee
                .put(from, |out| self.answers.done(out, &received));
            self.look(number);
        }
    }

    fn invited(&mut self, now: Duration, number: u32, invite: &Received<'_>, from: SocketAddrV4) {
        let call = &mut self.calls[number as usize];
        if call.is_over {
            return;
        }
        if call.is_answer_sent {
            let answer = &call.answer;
            return self.callee.put(from, |out| out.extend_from_slice(answer));
        }
        let answers = &self.answers;
        self.callee
            .put(from, |out| answers.ringing(out, number, invite));
        if call.is_invited {
            return;
        }
        if find(invite.body, b"m=audio ").is_none() || find(invite.body, b"RTP/AVP ").is_none() {
            self.outcome.faults += 1;
            return;
        }
        call.is_invited = true;
        call.answer_to = from;
        answers.answered(&mut call.answer, number, invite);
        self.ringing.push_back((now + RING, number));
    }

    fn at_caller(&mut self, now: Duration, message: &[u8]) -> Result<()> {
        let Some(received) = Received::cut(message) else {
            return Ok(());
        };
        let number = call_of(&received, self.run);
        let Some(number) = number.filter(|number| (*number as usize) < self.calls.len()) else {
            return Ok(());
        };
        let Some(status) = received.status() else {
            self.outcome.faults += 1;
            return Ok(());
        };
        let is_bye = received
            .header("CSeq")
            .is_some_and(|cseq| cseq.ends_with(b"BYE"));
        if is_bye {
            self.cleared(number, status);
            return Ok(());
        }
        let call = &mut self.calls[number as usize];
        call.caller_again.stop();
        if call.is_over {
            return Ok(());
        }
        match status {
            180..200 if !call.is_ringing => {
                call.is_ringing = true;
                self.outcome.post_dial.add(now - call.begun);
                self.look(number);
            }
            200..300 => self.answered(now, number, &received)?,
            300.. => {
                let requests = &self.requests;
                self.caller
                    .put(number, |out| requests.ack_refusal(out, number, &received))?;
                self.refused(number, status);
            }
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, now: Duration, number: u32, answer: &Received<'_>) -> Result<()> {
        let call = &mut self.calls[number as usize];
        if !call.is_answered {
            let keys = match self.scenario {
                Scenario::Udp => b"m=audio ".as_slice(),
                Scenario::TlsSrtp => b"a=crypto:".as_slice(),
            };
            let requests = &self.requests;
            let is_whole = find(answer.body, keys).is_some()
                && requests.ack(&mut call.ack, number, answer).is_some()
                && requests.bye(&mut call.bye, number, answer).is_some();
            if !is_whole {
                self.outcome.faults += 1;
                return Ok(());
            }
            call.is_answered = true;
            self.answered_port = audio_port(answer.body);
            if let Some(talk) = self.talk {
                self.talking.push_back((now + talk, number));
            }
        }
        let ack = &self.calls[number as usize].ack;
        self.caller.put(number, |out| out.extend_from_slice(ack))?;
        self.look(number);
        Ok(())
    }

    fn cleared(&mut self, number: u32, status: u16) {
        let call = &mut self.calls[number as usize];
        call.caller_again.stop();
        match status {
            200..300 => {
                call.is_cleared = true;
                self.look(number);
            }
            300.. => self.refused(number, status),
            _ => {}
        }
    }

    fn refused(&mut self, number: u32, status: u16) {
        let call = &mut self.calls[number as usize];
        if !call.is_over {
            call.end();
            self.over += 1;
            *self.outcome.refused.entry(status).or_default() += 1;
        }
    }

    /// Whether the call has come as far as it should.
    fn look(&mut self, number: u32) {
        let talk = self.talk;
        let call = &mut self.calls[number as usize];
        if call.is_over {
            return;
        }
        if talk.is_none() && call.is_established() && !call.is_leaving {
            // Counted once: the flag says that the call needs nothing more.
            call.is_leaving = true;
            self.established += 1;
        }
        if call.is_whole() {
            call.end();
            self.over += 1;
            self.outcome.completed += 1;
        }
    }

    fn answer_those_due(&mut self, now: Duration) {
        while let Some(&(at, number)) = self.ringing.front()
            && at <= now
        {
            self.ringing.pop_front();
            let call = &mut self.calls[number as usize];
            if call.is_over {
                continue;
            }
            call.is_answer_sent = true;
            call.callee_again.start(now);
            let answer = &call.answer;
            self.callee
                .put(call.answer_to, |out| out.extend_from_slice(answer));
        }
    }

    fn hang_up_those_due(&mut self, now: Duration) -> Result<()> {
        while let Some(&(at, number)) = self.talking.front()
            && at <= now
        {
            self.talking.pop_front();
            let call = &mut self.calls[number as usize];
            if call.is_over {
                continue;
            }
            call.is_leaving = true;
            if self.caller.is_unreliable() {
                call.caller_again.start(now);
            }
            let bye = &call.bye;
            self.caller.put(number, |out| out.extend_from_slice(bye))?;
        }
        Ok(())
    }

    fn send_again(&mut self, now: Duration) -> Result<()> {
        while self.calls.get(self.oldest).is_some_and(|call| call.is_over) {
            self.oldest += 1;
        }
        for (at, call) in self.calls.iter_mut().enumerate().skip(self.oldest) {
            let number = at as u32;
            if call.caller_again.is_due(now) {
                self.outcome.sent_again += 1;
                let (requests, bye) = (&self.requests, &call.bye);
                let is_leaving = call.is_leaving;
                self.caller.put(number, |out| match is_leaving {
                    true => out.extend_from_slice(bye),
                    false => requests.invite(out, number),
                })?;
            }
            if call.callee_again.is_due(now) {
                self.outcome.sent_again += 1;
                let answer = &call.answer;
                self.callee
                    .put(call.answer_to, |out| out.extend_from_slice(answer));
            }
        }
        self.caller.flush()?;
        self.callee.flush()
    }

    /// Calls that are out of time are over too.
    fn forget_rest(&mut self) {
        for call in self.calls.iter_mut().skip(self.oldest) {
            if !call.is_over {
                call.end();
                self.over += 1;
            }
        }
        self.ringing.clear();
        self.talking.clear();
    }
}

fn audio_port(sdp: &[u8]) -> Option<u16> {
    let rest = &sdp[find(sdp, b"m=audio ")? + 8..];
    let digits = rest.split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
