"""What a process leaves tidy: how signals end it, and its temporary folders."""
