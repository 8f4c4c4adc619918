using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>
/// The trainings on one choice of scarce images: the generator, and the classifier of each arm. The seed decides the
/// images and all trainings, so that the arms differ in what they are alone.
/// </summary>
internal sealed class Study : IDisposable
{
    private readonly MLContext _ml;
    private readonly StudyProtocol _protocol;
    private readonly int _seed;
    private readonly Lazy<IReadOnlyList<GreyImage>> _test;
    private readonly Lazy<IReadOnlyList<GreyImage>> _real;
    private readonly Lazy<IReadOnlyList<GreyImage>> _interpolated;
    private readonly Lazy<GeneratedImages> _generated;
    private readonly Lazy<GeneratedImages> _filtered;
    private readonly Lazy<TrainedClassifier> _affine;

    /// <param name="protocol">The data and the trainings.</param>
    /// <param name="seed">Decides everything random.</param>
    /// <param name="training">The training images of the data set.</param>
    /// <param name="test">Its test images.</param>
    public Study(StudyProtocol protocol, int seed, IDataView training, Lazy<IReadOnlyList<GreyImage>> test)
    {
        _ml = new(seed);
        _protocol = protocol;
        _seed = seed;
        _test = test;
        _real = new(() => StudyImages.Draw(training, protocol.CountsByLabel, seed));
        _interpolated = new(Interpolate);
        _affine = new(() => Train(StudyArm.Affine));
        var generator = new StudyGenerator(_ml, protocol, seed);
        _generated = new(() => generator.Generate(Real, null));
        _filtered = new(() => generator.Generate(Real, () => _affine.Value.Model));
    }

    /// <summary>The test images.</summary>
    public IReadOnlyList<GreyImage> Test => _test.Value;

    /// <summary>The scarce images.</summary>
    public IReadOnlyList<GreyImage> Real => _real.Value;

    /// <summary>Images between real ones: as many as each label lacks.</summary>
    public IReadOnlyList<GreyImage> Interpolated => _interpolated.Value;

    /// <summary>Images of the generator: as many as each label lacks.</summary>
    public IReadOnlyList<GreyImage> Generated => _generated.Value.Images;

    /// <summary>As many images of the generator, in which the classifier of the arm affine sees their labels.</summary>
    public IReadOnlyList<GreyImage> Filtered => _filtered.Value.Images;

    /// <summary>Trains the classifier of an arm, and tests it.</summary>
    /// <exception cref="InvalidOperationException">No image was accepted of a row that is to be generated.</exception>
    public StudyRow Measure(StudyArm arm, string command)
    {
        var generated = arm.WithoutGenerated is null ? null : arm.IsFiltered ? _filtered.Value : _generated.Value;
        var isFilter = arm == StudyArm.Affine;
        var classifier = isFilter ? _affine.Value : Train(arm);
        try
        {
            return new()
            {
                Protocol = _protocol,
                Seed = _seed,
                Arm = arm.Name,
                Recalls = MeasureRecalls(classifier.Model),
                Minutes = classifier.Minutes,
                GeneratorMinutes = generated?.Minutes,
                Disputed = generated?.Disputed,
                Copied = generated?.Copied,
                Commit = Provenance.FindCommit(),
                Machine = Provenance.FindMachine(),
                Command = command,
            };
        }
        finally
        {
            if (!isFilter) classifier.Model.Dispose();
        }
    }

    public void Dispose()
    {
        if (_affine.IsValueCreated) _affine.Value.Model.Dispose();
    }

    /// <summary>Returns the fraction of each label's images that were classified right.</summary>
    /// <param name="labels">The labels of the images.</param>
    /// <param name="predicted">The labels that the classifier sees.</param>
    internal static double[] Recall(IEnumerable<int> labels, IEnumerable<int> predicted) =>
    [
        .. labels.Zip(predicted).GroupBy(image => image.First).OrderBy(label => label.Key)
            .Select(label => label.Average(image => image.First == image.Second ? 1.0 : 0)),
    ];

    private IReadOnlyList<GreyImage> Interpolate()
    {
        var random = new Random(_seed);
        return
        [
            .. Real.GroupBy(image => image.Label)
                .SelectMany(label => Smote.Create([.. label], _protocol.Wanted - label.Count(), random)),
        ];
    }

    private TrainedClassifier Train(StudyArm arm)
    {
        var rows = Portion.Fill(arm.Portions(this), _protocol.Steps * StudyProtocol.BatchSize, _seed);
        Console.Error.WriteLine($"Training the classifier of the arm {arm.Name}, seed {_seed}.");
        var started = Environment.CpuUsage.TotalTime;
        var trainer = _ml.MulticlassClassification.Trainers.ConvolutionalNetwork(CreateOptions(arm.IsAffine));
        var model = trainer.Fit(StudyImages.ToView(_ml, rows));
        return new(model, (Environment.CpuUsage.TotalTime - started).TotalMinutes);
    }

    /// <summary>Returns the options of a classifier's training: one epoch, of rows for all its steps.</summary>
    private ConvolutionalNetworkTrainer.Options CreateOptions(bool isAffine)
    {
        var options = new ConvolutionalNetworkTrainer.Options
        {
            ExampleWeightColumnName = "Weight",
            Epochs = 1,
            BatchSize = StudyProtocol.BatchSize,
            Seed = _seed,
        };
        if (!isAffine) return options;

        // Garments are upright and fill the image.
        return _protocol.Data == "mnist"
            ? options with { ShiftFraction = 0.07, RotationDegrees = 10, ScaleFraction = 0.1 }
            : options with { ShiftFraction = 0.05, ScaleFraction = 0.05 };
    }

    private double[] MeasureRecalls(ConvolutionalNetworkTransformer classifier)
    {
        var view = StudyImages.ToView(_ml, Test.Select(image => new WeightedImage(image)));
        var keys = classifier.Transform(view).GetColumn<uint>("PredictedLabel");
        return Recall(Test.Select(image => image.Label), keys.Select(key => (int)key - 1));
    }

    private sealed record TrainedClassifier(ConvolutionalNetworkTransformer Model, double Minutes);
}
