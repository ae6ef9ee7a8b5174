"""What members record and what every validator checks: state, rules, execution."""
