"""`python -m course_ae` is the command `course-ae`."""

import sys

from course_ae.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
