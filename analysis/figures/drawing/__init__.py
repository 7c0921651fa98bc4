"""Parts that all figures share: data and caption, house style, rows of dots, small multiples."""
