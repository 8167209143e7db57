mod backup;
mod bindings;
mod changes;
mod faults;
mod history;
mod journal;
mod migration;
mod numbers;
mod retention;
mod support;

use super::*;
