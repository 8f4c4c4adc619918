using CondDiffusion.MLNet;

namespace CondDiffusion.Examples;

/// <summary>Trains a model to generate in a few steps what the model of a file generates in many.</summary>
internal static class DistillCommand
{
    public static void Run(string[] args)
    {
        var arguments = new Arguments(
            args,
            [
                "--model", "--data", "--data-dir", "--steps", "--epochs", "--optimizer", "--learning-rate",
                "--guidance", "--seed", "--checkpoints", "--out",
            ],
            ["--skip-broken"]);
        var file = arguments.Text("--out");
        var seed = arguments.Number("--seed", 1);
        var ml = CommandContext.Create(seed);
        var defaults = new DistillationTrainer.Options();

        using var trained = ModelFile.LoadGenerator(ml, arguments.Text("--model"));
        using var teacher = ml.ImageGeneration.WithSampling(trained, trained.Sampling with
        {
            GuidanceScale = arguments.FindDouble("--guidance") ?? trained.Sampling.GuidanceScale,
        });
        var images = DataSet.LoadReal(ml, arguments, seed);
        TrainCommand.Fit(ml, images, file, (progress, token) =>
            ml.ImageGeneration.Trainers.Distillation(teacher, new()
            {
                FeatureColumnName = "Image",
                Steps = arguments.Number("--steps", defaults.Steps),
                Epochs = arguments.Number("--epochs", defaults.Epochs),
                Optimizer = arguments.Enum("--optimizer", defaults.Optimizer),
                LearningRate = arguments.FindDouble("--learning-rate"),
                CheckpointDirectory = arguments.Find("--checkpoints"),
                Progress = progress,
                CancellationToken = token,
            }));
    }
}
