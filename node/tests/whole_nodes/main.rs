//! Start whole nodes on memory and virtual time, and see what a liar or a crash does to them.

mod founded;
mod hostile_member;
mod signing;
