from race_harness.cli import main

main()
