from race_harness.cli import main_of_process

main_of_process()
