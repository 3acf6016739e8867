//! Typed ids, organisations, actors, labels, clocks and amounts.
