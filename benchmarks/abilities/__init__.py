"""What a recurrent layer can do among torch's own tools: this project's and others', each tried, none claimed."""
