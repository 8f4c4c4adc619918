using CondDiffusion.MLNet.Distillation;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Trainers;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet;

/// <summary>
/// Trains a copy of a model to generate in a few steps what the model generates in many, its guidance included
/// (progressive distillation: Salimans and Ho 2022, arXiv 2202.00512; of guided models: Meng et al. 2023, arXiv
/// 2210.03142). Made by <c>mlContext.ImageGeneration.Trainers.Distillation</c>.
/// </summary>
public sealed partial class DistillationTrainer : IEstimator<ConditionalDiffusionTransformer>
{
    private const string Role = "The model to distill";

    private readonly IHost _host;
    private readonly Options _options;
    private readonly TrainingColumns _columns;
    private readonly ITrainedModel _teacher;

    internal DistillationTrainer(IHostEnvironment environment, ITransformer model, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _teacher = ITrainedModel.Of(model);
        _options = options.For(_teacher);
        _host = environment.Register(nameof(DistillationTrainer));
        _columns = new(_host, _options);
    }

    /// <summary>Checks the input columns and adds the generated ones.</summary>
    /// <param name="inputSchema">The columns of the training data.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is missing or of the wrong type; the message names it.
    /// </exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        Check(inputSchema);
        var model = _teacher.Description;
        return GeneratedColumns.Add(
            inputSchema,
            _options.LabelColumnName,
            model.OutputColumnName,
            model.PixelsColumnName,
            _options.Height,
            _options.Width);
    }

    /// <summary>
    /// Reads every row of <paramref name="input"/> once, trains, and returns the transformer that generates in few
    /// steps.
    /// </summary>
    /// <param name="input">
    /// Labelled images like those that the model was trained on. The model knows all of their labels.
    /// </param>
    /// <exception cref="InvalidOperationException">
    /// The model to distill does not know one of the labels, or was disposed.
    /// </exception>
    /// <inheritdoc cref="ConditionalDiffusionTrainer.Fit" path="/exception"/>
    public ConditionalDiffusionTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Check(MLNetInternals.Shape(input.Schema));
        _columns.CheckLayout(input.Schema);

        using var training = new ImageTraining(_host, _options, input);
        CheckKnown(training.Labels);
        var model = Describe(training.Labels, (ulong)training.Seed);
        var settings = _options.LoopSettings((ulong)training.Seed, training.Type);

        // The student starts from the weights of the teacher.
        var network = InitialModel.From(_teacher, Role).CreateNetwork(model, training.Device);
        try
        {
            training.CheckLabels(model.ToJson(), network);
            using var teacher = new DistillationTeacher(
                network, _teacher.Description, _options.TeacherTimesteps(_teacher.Description), training.Type);
            var loss = new DistillationLoss(network, teacher, model, training.Type);
            using var loop = new TrainingLoop(network, loss, settings);
            training.ReadImages();
            training.Train(loop, settings);
            return new(_host, model, network);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private void Check(SchemaShape schema)
    {
        _columns.Check(schema);
        _columns.CheckSampling(schema, SamplingOptions.Distilled(_teacher.Description.Sampling, _options.Steps));
    }

    /// <summary>Returns everything about the distilled model except its weights.</summary>
    /// <param name="labels">Labels of the training data.</param>
    /// <param name="seed">The seed in use, which the options may leave open.</param>
    private ModelDescription Describe(LabelVocabulary labels, ulong seed)
    {
        var model = _teacher.Description;
        return model with
        {
            Network = model.Network with { Labels = labels.Count, TakesTransform = false },
            DistilledSteps = _options.Steps,
            GeneratesUnlabelled = false,
            Labels = labels,
            LabelColumnName = _options.LabelColumnName,
            Sampling = SamplingOptions.Distilled(model.Sampling, _options.Steps),
            Seed = seed,
        };
    }

    /// <exception cref="InvalidOperationException">The model does not know one of the labels.</exception>
    private void CheckKnown(LabelVocabulary labels)
    {
        var known = _teacher.Description.Labels;
        var areKnown = labels.Values is null || known.Values is null
            ? labels.Count <= known.Count
            : !labels.Values.Except(known.Values).Any();
        if (areKnown) return;

        throw new InvalidOperationException(
            $"Column '{_options.LabelColumnName}' has {labels}, but the model to distill knows only {known}.");
    }
}
