using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>Trains on labelled images in one ML.NET pipeline and saves an ML.NET model file.</summary>
internal static class TrainCommand
{
    public static void Run(string[] args)
    {
        var arguments = new Arguments(
            args, "--data", "--data-dir", "--epochs", "--batch", "--seed", "--checkpoints", "--tensorboard", "--out");
        var file = arguments.Text("--out");
        var seed = arguments.Number("--seed", 1);
        var ml = new MLContext(seed);

        var images = arguments.Text("--data") switch
        {
            "digits" => DrawnDigits.Load(ml, 10_000, seed),
            var data and ("mnist" or "fashion-mnist") =>
                ml.Data.LoadMnist(arguments.Find("--data-dir") ?? Path.Combine("data", data)),
            var other =>
                throw new UsageException($"Option --data must be mnist, fashion-mnist or digits, but is '{other}'."),
        };

        Train(ml, images, file, new()
        {
            Epochs = arguments.Number("--epochs", 50),
            BatchSize = arguments.Number("--batch", 128),
            CheckpointDirectory = arguments.Find("--checkpoints"),
            TensorBoardDirectory = arguments.Find("--tensorboard"),
            SampleEpochs = arguments.Find("--tensorboard") is null ? 0 : 1,
        });
    }

    /// <summary>Trains on images of any size and saves the fitted pipeline.</summary>
    public static void Train(MLContext ml, IDataView images, string file, ConditionalDiffusionTrainer.Options options)
    {
        CheckWritable(file);
        using var interrupt = new Interrupt();
        var pipeline = ml.Transforms.NormalizeImages(options.FeatureColumnName, "Image", options.Width, options.Height)
            .Append(ml.Transforms.Conversion.MapValueToKey(options.LabelColumnName))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options with
            {
                Progress = new ProgressBar(),
                CancellationToken = interrupt.Token,
            }));

        var model = pipeline.Fit(images);

        var temporary = $"{file}.{Guid.NewGuid():N}.tmp";
        try
        {
            ml.Model.Save(model, null, temporary);
            File.Move(temporary, file, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
        Console.WriteLine($"Saved {file} ({new FileInfo(file).Length / 1e6:F1} MB).");
    }

    /// <summary>Throws before the training, rather than after it, where the model cannot be saved.</summary>
    private static void CheckWritable(string file)
    {
        if (Directory.Exists(file))
            throw new IOException($"'{file}' is a directory; --out must name the model file to write.");
        try
        {
            var directory = Path.GetDirectoryName(Path.GetFullPath(file))!;
            Directory.CreateDirectory(directory);
            var probe = Path.Combine(directory, $".{Guid.NewGuid():N}.tmp");
            using var created = File.Create(probe, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The model file '{file}' cannot be written: {exception.Message}", exception);
        }
    }
}
