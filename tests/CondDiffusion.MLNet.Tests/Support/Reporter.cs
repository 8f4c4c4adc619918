namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Passes reports on at once, on the training thread.</summary>
internal sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => report(value);
}
