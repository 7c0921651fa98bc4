"""How every figure is drawn and stored: its data and caption, house style, rows of dots, small multiples."""
