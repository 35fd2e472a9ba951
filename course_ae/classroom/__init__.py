"""What the lessons show and ask: figures, explorers, exercises, quizzes."""
