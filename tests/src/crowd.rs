//! People who start, extend and stop short sessions at random, through servers that may be dead.

use std::time::Duration;

use crate::chance::Chance;
use crate::slack::{SlackDouble, link_in};
use crate::world::{Browser, WorldBuilder};

/// Members with one session each at the most, who share a few addresses.
#[derive(Debug)]
pub struct Crowd<'a> {
    slack: &'a SlackDouble,
    chance: Chance,
    /// The commands that were given, whether or not a server was there to hear them.
    pub commands: usize,
}

impl<'a> Crowd<'a> {
    const MEMBERS: [(&'static str, &'static str); 5] =
        [("ana", "U111"), ("bo", "U222"), ("cy", "U333"), ("dee", "U444"), ("eve", "U555")];
    /// Where they sit: fewer places than people, so that rules are shared.
    const ADDRESSES: [&'static str; 3] = ["93.184.216.34", "93.184.216.35", "93.184.216.36"];
    /// How long they ask for.
    const DURATIONS: [&'static str; 4] = ["2s", "5s", "9s", "15s"];

    /// A world with these people in it.
    pub fn members(world: WorldBuilder) -> WorldBuilder {
        let world = world.sessions_at_once(1);
        Self::MEMBERS.iter().fold(world, |world, (name, user)| world.member(name, user))
    }

    /// People who use this Slack.
    pub fn of(slack: &'a SlackDouble, chance: Chance) -> Self {
        Self { slack, chance, commands: 0 }
    }

    /// They go on for ever; each time, somebody does something through the server at the address that chance gives them.
    pub async fn work(&mut self, mut server: impl FnMut(&mut Chance) -> String) {
        loop {
            let address = server(&mut self.chance);
            // Slack and people give up on a server that stands still; what it has taken in it may do later.
            let _ = tokio::time::timeout(Duration::from_secs(2), self.act(&address)).await;
            tokio::time::sleep(self.chance.between(Duration::from_millis(50), Duration::from_millis(500))).await;
        }
    }

    async fn act(&mut self, server: &str) {
        let (_, user) = *self.chance.pick(&Self::MEMBERS);
        self.commands += 1;
        match self.chance.below(10) {
            0..5 => self.start(server, user).await,
            5 | 6 => self.say(server, user, "stop").await,
            7 => self.say(server, user, "stop all").await,
            _ => self.say(server, user, "extend 5s").await,
        }
    }

    async fn start(&mut self, server: &str, user: &str) {
        let command = format!("start {}", self.chance.pick(&Self::DURATIONS));
        let address = *self.chance.pick(&Self::ADDRESSES);
        let answer = self.slack.to_server().at_server(server).try_command(user, &command).await;
        // Whoever has a session is refused, and then there is no link.
        if let Some(link) = answer.ok().and_then(|answer| link_in(&answer.body)) {
            Browser::at(address).try_confirm(&link).await;
        }
    }

    async fn say(&self, server: &str, user: &str, command: &str) {
        // Nobody answers where the server is dead; people try again, or let it run out.
        let _ = self.slack.to_server().at_server(server).try_command(user, command).await;
    }
}
