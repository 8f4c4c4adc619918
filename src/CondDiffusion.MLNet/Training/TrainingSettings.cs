namespace CondDiffusion.MLNet.Training;

/// <summary>What the training loop needs to know of the options, already checked.</summary>
internal sealed record TrainingSettings(int Epochs, int BatchSize, double LearningRate, ulong Seed);
